"""glrtf prepare_benchmark LAYOUT SOURCE OUTPUT: photos of a published benchmark to embed."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from glrtf.config.evaluation import PrepareBenchmarkConfig
from tfrecords_tools.command import cli
from tfrecords_tools.command.typed_settings import checked

if TYPE_CHECKING:
    from glrtf.evaluation.layouts.benchmark import Benchmark

_NEXT = """\
O={output}
glrtf build --source $O --output $O/shards --splits {splits}
for split in {splits}; do
  glrtf embed --model MODEL --data $O/shards --split $split --output $O/sets/$split
done
glrtf retrieve --query $O/sets/{query} --index $O/sets/index --output $O/retrieval \\
  --preset direct --fusion.direct_k {depth} --fusion.limit {depth}
glrtf evaluate $O/retrieval $O/metadata/{solution}"""


@dataclasses.dataclass(frozen=True)
class PrepareBenchmarkResult:
    """Photos laid out.

    Attributes:
        folder: Holds index/, metadata/ and, unless all queries are index photos, test/.
        num_queries: Queries.
        num_index: Index photos, distractors among them.
        next_commands: How they are embedded, ranked and scored.
    """

    folder: str
    num_queries: int
    num_index: int
    next_commands: str


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return cli.run(PrepareBenchmarkConfig, run_prepare_benchmark, argv=argv, positional=True)


def run_prepare_benchmark(config: PrepareBenchmarkConfig) -> None:
    """Lays out the photos and says how they are embedded, ranked and scored."""
    done = prepare_benchmark(config)
    print(f"{done.num_queries} queries, {done.num_index} index photos -> {done.folder}\n")
    print(done.next_commands)


def prepare_benchmark(config: PrepareBenchmarkConfig) -> PrepareBenchmarkResult:
    """Writes the photos and the truth in image ids.

    Raises:
        UserError: If files of the benchmark are missing or not of the published form.
    """
    config = checked(config, PrepareBenchmarkConfig)
    from glrtf.evaluation.layouts import benchmark, write

    found = _read(config)
    if config.distractors:
        more = tuple(benchmark.distractors(config.distractors))
        found = dataclasses.replace(found, index=[*found.index, *more])
    ids = write.write(found, config.output)
    apart = any(one.startswith("f") for one in ids.values())
    depth = min(found.depth or len(found.index), len(found.index))
    solution = "query_labels.csv --index_labels $O/metadata/index_labels.csv"
    if found.relevant is not None:
        solution = "solution.csv"
    commands = _NEXT.format(
        output=config.output,
        splits="index test" if apart else "index",
        query="test" if apart else "index",
        # One more where a query finds itself.
        depth=min(depth + (not apart and bool(found.depth)), len(found.index)),
        solution=solution + (" --own keep" if found.own else "") + _ranks(found.depth),
    )
    return PrepareBenchmarkResult(config.output, len(found.queries), len(found.index), commands)


def _read(config: PrepareBenchmarkConfig) -> "Benchmark":
    from glrtf.evaluation.layouts import gpr1200, ilias, instre, uned

    if config.layout == "gpr1200":
        return gpr1200.read(config.source)
    if config.layout == "ilias":
        return ilias.read(config.source, crop=config.crop)
    if config.layout == "instre":
        return instre.read(config.source)
    return uned.read(config.source, config.domains)


def _ranks(depth: int) -> str:
    return f" --ranks 1 5 {depth}" if depth else ""
