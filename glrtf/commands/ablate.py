"""glrtf ablate: measures what each step of the retrieval contributes."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from glrtf.config.evaluation import AblateConfig
from tfrecords_tools.command import cli, expected
from tfrecords_tools.command.typed_settings import checked

if TYPE_CHECKING:
    from glrtf.tuning.ablation import Row


@dataclasses.dataclass(frozen=True)
class AblateResult:
    """The result of an ablation.

    Attributes:
        folder: Holds ablation.md, ablation.csv, ablation.svg and ablation.json.
        rows: The lines of the table, one per variant.
    """

    folder: str
    rows: "tuple[Row, ...]"

    @property
    def markdown(self) -> str:
        """The table in Markdown."""
        from glrtf.tuning import ablation_table

        return ablation_table.markdown(self.rows)


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return cli.run(AblateConfig, run_ablate, argv=argv)


def run_ablate(config: AblateConfig) -> None:
    """Measures and prints the Markdown table."""
    print(ablate(config).markdown)


def ablate(config: AblateConfig) -> AblateResult:
    """Ranks with every variant and writes the tables.

    Raises:
        UserError: If an input or the output folder is not as expected.
    """
    config = checked(config, AblateConfig)
    from glrtf.retrieval import bundle
    from glrtf.tuning import ablation, ablation_table

    expected.new_folder("--output", config.output)
    config = bundle.applied(config)
    rows = ablation.ablate(config)
    ablation_table.write_tables(rows, config.output)
    return AblateResult(config.output, tuple(rows))
