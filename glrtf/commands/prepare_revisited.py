"""glrtf prepare_revisited GROUND_TRUTH PHOTOS OUTPUT: Oxford or Paris photos to embed."""

from collections.abc import Sequence

from glrtf.config.evaluation import PrepareRevisitedConfig
from tfrecords_tools.command import cli

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
        prepare,
        argv=argv,
        positional=True,
    )


def prepare(config: PrepareRevisitedConfig) -> None:
    """Writes the photos and says how they are embedded, ranked and scored."""
    from glrtf.evaluation import revisited_layout

    truth = revisited_layout.write_layout(config.ground_truth, config.photos, config.output)
    index = len(truth.images)
    print(f"{len(truth.queries)} queries, {index} index photos -> {config.output}\n")
    print(_NEXT.format(output=config.output, index=index))
