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
    "glrtf/training/test_remote_hosts.py",
    "glrtf/training/test_changed_replicas.py",
    "glrtf/training/test_loop.py",
    "glrtf/training/test_accumulation.py",
    "glrtf/training/test_kill.py",
    "glrtf/inference/test_extraction.py",
    "glrtf/models/test_sharded_head.py",
    "glrtf/models/test_efficientnet_v2.py",
    "glrtf/commands/test_demo.py",
    "glrtf/models/test_weights.py",
)
