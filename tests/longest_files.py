"""The test files that take longest, longest first.

They run first, so that no process still works on one of them when the other has nothing left to do.
"""

LONGEST = (
    "docs/test_commands_run.py",
    "notebooks/test_notebooks.py",
    "glrtf/training/test_jax_engine.py",
    "glrtf/training/test_multi_worker.py",
    "glrtf/inference/test_serving.py",
    "glrtf/inference/test_max_side.py",
    "glrtf/training/test_sharded_training.py",
    "faults/test_kills.py",
    "glrtf/inference/descriptors/test_runtimes.py",
    "glrtf/training/test_remote_hosts.py",
    "glrtf/training/test_changed_replicas.py",
    "glrtf/training/test_loop.py",
    "glrtf/training/test_accumulation.py",
    "glrtf/retrieval/test_parity.py",
    "faults/test_full_disk.py",
    "glrtf/training/test_kill.py",
    "tfrecords_tools/test_survival.py",
    "tfrecords_tools/storage/test_remote.py",
    "glrtf/data/test_graph_pipeline.py",
    "glrtf/inference/test_extraction.py",
    "glrtf/models/test_sharded_head.py",
    "glrtf/models/test_efficientnet_v2.py",
    "glrtf/planning/test_trace.py",
    "glrtf/service/test_bundle.py",
    "glrtf/data/test_input_pipeline.py",
    "glrtf/commands/test_demo.py",
    "faults/test_every_writer.py",
    "glrtf/planning/test_step_hlo.py",
    "tfrecords_tools/test_worker_deaths.py",
    "tfrecords_tools/sample/test_draw.py",
    "glrtf/models/test_weights.py",
)
