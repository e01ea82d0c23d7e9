"""glrtf prepare_revisited GROUND_TRUTH PHOTOS OUTPUT: Oxford or Paris photos to embed."""

import dataclasses
from collections.abc import Sequence

from glrtf.config.evaluation import PrepareRevisitedConfig
from tfrecords_tools.command import cli
from tfrecords_tools.command.typed_settings import checked

_NEXT = """\
O={output}
glrtf build --source $O --output $O/shards --splits index test
for split in index test; do
  glrtf embed --model MODEL --data $O/shards --split $split --output $O/sets/$split
done
glrtf retrieve --query $O/sets/test --index $O/sets/index --output $O/retrieval \\
  --preset direct --fusion.direct_k {index} --fusion.limit {index}
glrtf evaluate $O/retrieval $O/metadata/ground_truth.json"""


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return cli.run(
        PrepareRevisitedConfig,
        run_prepare_revisited,
        argv=argv,
        positional=True,
    )


@dataclasses.dataclass(frozen=True)
class PrepareRevisitedResult:
    """The prepared photos.

    Attributes:
        folder: Holds test/, index/ and metadata/.
        num_queries: Queries, cut to their boxes.
        num_index: Index photos.
    """

    folder: str
    num_queries: int
    num_index: int


def prepare_revisited(config: PrepareRevisitedConfig) -> PrepareRevisitedResult:
    """Writes the photos and the ground truth in image ids.

    Raises:
        UserError: If the ground truth or a photo is not as expected.
    """
    config = checked(config, PrepareRevisitedConfig)
    from glrtf.evaluation import revisited_layout

    truth = revisited_layout.write_layout(config.ground_truth, config.photos, config.output)
    return PrepareRevisitedResult(config.output, len(truth.queries), len(truth.images))


def run_prepare_revisited(config: PrepareRevisitedConfig) -> None:
    """Writes the photos and prints the commands that embed, rank and score them."""
    done = prepare_revisited(config)
    print(f"{done.num_queries} queries, {done.num_index} index photos -> {done.folder}\n")
    print(_NEXT.format(output=done.folder, index=done.num_index))
