import dataclasses

import pytest

from glrtf.config.training import TrainConfig
from glrtf.planning import trace
from glrtf.planning.trace import trace_workload


def test_v2b0_costs_what_its_paper_says() -> None:
    # EfficientNetV2-B0: 0.72 G multiply-adds at 224 px, 5,919,312 parameters
    # without top; the embedding layer is 1280 * 512 + 512, the head 1000 * 512.
    config = TrainConfig(backbone="v2b0", size=224, batch_size=12, accumulation_steps=3)
    work = trace_workload(config, num_classes=1000)
    # 60,608 of the backbone's are BatchNorm's moving means and variances.
    assert work.num_parameters == 5_919_312 - 60_608 + 655_872 + 512_000
    assert work.num_state >= 60_608
    multiply_adds = work.pass_cost.forward_flops / work.traced_batch / 2
    assert abs(multiply_adds / 0.72e9 - 1) < 0.03
    # Every product has one gradient for each factor; the first has one fewer.
    assert 1.9 < work.pass_cost.backward_flops / work.pass_cost.forward_flops <= 2.0
    assert (work.micro_batch, work.accumulation_steps, work.optimizer_slots) == (4, 3, 2)


@pytest.mark.usefixtures("small_network")
def test_a_split_head_is_counted_as_such_and_costs_an_image_the_same() -> None:
    plain = TrainConfig(backbone="v2b0", size=32, batch_size=4, accumulation_steps=1)
    split = dataclasses.replace(plain, head="subcenter", num_centers=2, head_sharding="classes")
    plain = dataclasses.replace(split, head_sharding="none")
    ours, whole = trace_workload(split, 1_000_000), trace_workload(plain, 1_000_000)
    assert (ours.num_sharded, whole.num_sharded) == (1_024_000_000, 0)
    assert ours.num_parameters == whole.num_parameters
    assert ours.exchanged_per_image == 2 * 512
    assert ours.pass_cost.flops_by_type == whole.pass_cost.flops_by_type
    # Kept in addition to the products: the logits, or their softmax.
    assert ours.pass_cost.kept_bytes == pytest.approx(whole.pass_cost.kept_bytes, rel=0.01)


@pytest.mark.usefixtures("small_network")
def test_classes_are_counted_without_building_them() -> None:
    config = TrainConfig(backbone="v2b0", size=32, batch_size=4, accumulation_steps=1)
    small, large = (trace_workload(config, classes) for classes in (1024, 5_001_024))
    assert large.num_parameters - small.num_parameters == 5_000_000 * 512
    # Two photos: logits forward, and backward to the embeddings and the weights.
    added = 2 * 5_000_000 * 512 * 2
    assert large.pass_cost.forward_flops - small.pass_cost.forward_flops == added
    assert large.pass_cost.backward_flops - small.pass_cost.backward_flops == 2 * added


@pytest.mark.usefixtures("small_network")
@pytest.mark.parametrize("fused", [True, False], ids=["tpu", "gpu"])
def test_batchnorm_is_planned_as_the_device_computes_it(
    fused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[set[str]] = []

    def noted(graph, **options):
        found.append({op.type for op in graph.get_operations()})
        return graph_cost(graph, **options)

    graph_cost = trace.graph_cost
    monkeypatch.setattr(trace, "graph_cost", noted)
    config = TrainConfig(backbone="v2b0", size=32, batch_size=4, accumulation_steps=1)
    trace_workload(config, 1024, fused=fused)
    assert ("FusedBatchNormV3" in found[0]) != fused
    assert ("SquaredDifference" in found[0]) == fused
