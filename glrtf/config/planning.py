"""Settings of `glrtf plan`."""

from dataclasses import dataclass

from glrtf.config.training import TrainConfig


@dataclass(frozen=True)
class PlanConfig(TrainConfig):
    """Estimates whether a training run fits a TPU or GPUs, and how fast it will be.

    Accepts all settings of `glrtf train`, so its configuration files work.

    Attributes:
        tpu: The slice, by its Cloud name: v2-8, v3-8, v3-32, v4-8, v5e-8, v5p-8, v6e-8, ….
        gpu: Plan for GPUs instead of a TPU: t4, v100-16, v100-32, l4, rtx-3090, rtx-4090, a100-40,
            a100-80 or h100.
        num_gpus: The number of GPUs in one machine.
        num_classes: Landmarks, the classes of the head; GLDv2 has 203094, its clean part 81313.
        num_images: Photos per epoch; GLDv2's train split has 4132914.
        utilization: Share of the TPU's peak rate that training reaches; 0 uses the share that the
            backbone reached according to its paper's table of training times.
        activation_overhead: Factor on the activations for the compiler's padding and working space.
        price_per_hour: Price of the whole slice, in any currency; 0 omits the cost.
        json: JSON file for the same figures; empty writes none.
        compile: Also compile the real training step for that TPU, which takes one to ten minutes,
            and report the memory according to the compiler. Needs jax and libtpu.
        compiler_python: Python of an environment with jax and libtpu, see docs/plan.md; empty uses
            this one.
        cache: Folder in which the compiler's results are cached.
    """

    tpu: str = "v3-8"
    gpu: str = ""
    num_gpus: int = 1
    num_classes: int = 203_094
    num_images: int = 4_132_914
    utilization: float = 0.0
    activation_overhead: float = 1.4
    price_per_hour: float = 0.0
    json: str = ""
    compile: bool = False
    compiler_python: str = ""
    cache: str = "runs/plan"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("num_gpus", "num_classes", "num_images", "activation_overhead"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}: expected more than 0, found {getattr(self, name)}")
        if self.gpu and self.compile:
            raise ValueError(
                "compile: expected a TPU, for which the compiler needs none, found --gpu "
                f"{self.gpu}; leave one of them out"
            )
        if not 0 <= self.utilization <= 1:
            raise ValueError(f"utilization: expected 0 to 1, found {self.utilization}")
        if self.price_per_hour < 0:
            raise ValueError(f"price_per_hour: expected 0 or more, found {self.price_per_hour}")
