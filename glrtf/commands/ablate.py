"""glrtf ablate: what each step of the retrieval brings."""

from collections.abc import Sequence

from glrtf.config.evaluation import AblateConfig
from tfrecords_tools.command import cli, expected


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return cli.run(AblateConfig, run_ablate, argv=argv)


def run_ablate(config: AblateConfig) -> None:
    """Ranks with every variant, writes the tables and prints the Markdown one."""
    from glrtf.tuning import ablation, ablation_table

    expected.new_folder("--output", config.output)
    rows = ablation.ablate(config)
    ablation_table.write_tables(rows, config.output)
    print(ablation_table.markdown(rows))
