"""How many requests embedding to Cloud Storage makes besides those for the parts' bytes."""

import storage_faults

from tfrecords_tools.storage import files


def test_each_part_costs_one_request_besides_its_bytes(storage, tmp_path, monkeypatch):
    monkeypatch.setenv("TFRECORDS_TOOLS_CACHE", str(tmp_path / "copies"))
    work = storage_faults.embed(tmp_path)
    storage.requests.clear()
    work.run("gs://bucket/requests")
    parts = 2
    about_parts = [line for line in storage.requests if f"-of-{parts:05d}." in line]
    carrying = [line for line in about_parts if "alt=media" in line]
    # Each part's shard, rows, ids and receipt are read once.
    assert len(carrying) == 4 * parts
    # What is left looks up the shard's generation and checksum.
    others = [line for line in about_parts if line not in carrying]
    assert len(others) == parts
    assert all("shards" in line for line in others)
    # Plan, description, and rows, ids, rejects and receipt of each part.
    uploads = [line for line in storage.requests if line.startswith("POST /upload")]
    assert len(uploads) == 2 + 4 * parts


def test_a_part_that_was_left_unfinished_is_replaced(storage, tmp_path, monkeypatch):
    monkeypatch.setenv("TFRECORDS_TOOLS_CACHE", str(tmp_path / "copies"))
    work = storage_faults.embed(tmp_path)
    work.run("gs://bucket/whole")
    expected = work.result("gs://bucket/whole")
    for name in ("plan.json", "ids-00000-of-00002.npy", "rejects-00000-of-00002.csv"):
        files.write_bytes(f"gs://bucket/part/{name}", expected[name] if "plan" in name else b"old")
    work.run("gs://bucket/part")
    assert work.result("gs://bucket/part") == expected
