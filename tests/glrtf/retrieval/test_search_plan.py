"""What a retrieval says that it takes, before it begins."""

import pytest
import retrieval_worlds as worlds

from glrtf.commands import retrieve
from glrtf.retrieval import search_plan


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plan")
    return worlds.make_world(folder / "world", test=10, index=120, train=300, train_parts=2)


def planned(world, output, capsys, *flags):
    """The line, and the bytes of the arrays that the retrieval has kept."""
    assert retrieve.main(world.arguments("--output", output, *flags)) == 0
    lines = capsys.readouterr().err.splitlines()
    kept = sum(path.stat().st_size - 128 for path in (output / "cache").glob("*.npy"))
    return next(line for line in lines if line.startswith("plan: ")), kept


def test_the_plan_counts_the_searches(world, tmp_path, capsys, monkeypatch):
    plans = []
    make = search_plan.plan
    monkeypatch.setattr(search_plan, "plan", lambda *given: plans.append(make(*given)) or plans[-1])
    line, kept = planned(world, tmp_path / "out", capsys)
    assert line.startswith("plan: 10 query, 120 index, 300 train images, rows of 16 numbers: ")
    # DBA of 10 queries among 130 images, direct 10 among 120, landmarks of 130 among 300.
    assert plans[0].operations == 2 * 16 * (10 * 130 + 10 * 120 + 130 * 300)
    # Each neighbour takes 16 bytes: 2 of the DBA, 100 direct ones, 15 of each of 20 parts. So does
    # each of the 5 landmarks of an image.
    assert plans[0].cache == 16 * (10 * 2 + 10 * 100 + 130 * 300 + 130 * 5)
    assert plans[0].cache == kept


def test_the_plan_of_other_steps(world, tmp_path, capsys, monkeypatch):
    plans = []
    make = search_plan.plan
    monkeypatch.setattr(search_plan, "plan", lambda *given: plans.append(make(*given)) or plans[-1])
    _, kept = planned(
        *(world, tmp_path / "direct", capsys),
        *("--preset=direct_dba", "--dba.rows=both", "--query_expansion.n=3"),
        *("--rerank.method=k_reciprocal", "--rerank.k1=20"),
    )
    assert plans[0].counts == {"query": 10, "index": 120}
    # DBA of both, expansion among the index, direct, and all images among themselves.
    assert plans[0].cache == 16 * (130 * 2 + 10 * 3 + 10 * 100 + 130 * 20) == kept
    _, kept = planned(
        *(world, tmp_path / "scored", capsys, "--train_neighbors.per_part=0"),
        *("--non_landmark", str(world.folder / "non_landmark")),
    )
    assert plans[1].counts["non-landmark"] == 40
    # The 300 nearest of all; a similarity of 8 bytes for each train image.
    assert plans[1].cache == 16 * (10 * 2 + 10 * 100 + 130 * 300 + 130 * 5) + 8 * 300 == kept
