"""The submission's lines."""

import numpy as np

from glrtf.retrieval import output


def test_lines_hold_ids_of_any_length_and_queries_without_images(tmp_path):
    queries = np.array([b"q1", b"0123456789abcdef", b"zz"], "S16")
    index = np.array([b"a", b"fedcba9876543210", b"c"], "S16")
    images = np.array([[0, 1, 2], [-1, -1, -1], [2, -1, -1]])
    path = tmp_path / "submission.csv"
    output.write_submission(str(path), queries, index, images)
    lines = ["id,images", "q1,a fedcba9876543210 c", "0123456789abcdef,", "zz,c"]
    assert path.read_text().split("\n") == [*lines, ""]
