"""Settings of the demo."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DemoConfig:
    """Run every stage on the embedded sample and print the score of each ranking.

    Sample, shards, training, export, embedding, three rankings, their scores and a
    report. If it is run again, it runs only the missing stages.

    Attributes:
        output: Folder for all outputs of the demo.
        seed: Which sample to draw, and the seed of training.
        settings: YAML file of training settings; empty uses the project's configs/sample.yaml.
        num_landmarks: How many landmarks the sample has.
        photos_per_landmark: Mean number of train photos of a landmark.
    """

    output: str = "runs/demo"
    seed: int = 0
    settings: str = ""
    num_landmarks: int = 44
    photos_per_landmark: int = 48

    def __post_init__(self) -> None:
        for name, least in (("seed", 0), ("num_landmarks", 2), ("photos_per_landmark", 9)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}: expected at least {least}, found {getattr(self, name)}")
