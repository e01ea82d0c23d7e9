import pytest

from glrtf.evaluation import solutions
from tfrecords_tools.errors import UserError


def write(folder, text):
    path = folder / "solution.csv"
    path.write_text(text)
    return str(path)


def test_retrieval_solution(tmp_path):
    path = write(tmp_path, "id,images,Usage\nq1,a b,Public\nq2,None,Ignored\nq3,a b,Private\n")
    solution = solutions.read_retrieval_solution(path)
    assert solution.relevant == {"q1": {"a", "b"}, "q3": {"a", "b"}}
    assert solution.usage == {"q1": "Public", "q2": "Ignored", "q3": "Private"}
    assert solution.relevant["q1"] is solution.relevant["q3"]


def test_recognition_solution(tmp_path):
    path = write(tmp_path, "id,landmarks,Usage\nq1,7 8,Public\nq2,,Private\nq3,9,Ignored\n")
    solution = solutions.read_recognition_solution(path)
    assert solution.landmarks == {"q1": {7, 8}, "q2": set()}
    assert set(solution.usage) == {"q1", "q2", "q3"}
    assert solutions.is_recognition(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,images\nq,a\n", "expected the column 'Usage', found id,images"),
        ("id,images,Usage\nq,a,public\n", "line 2: expected Usage Public, Private, Ignored"),
        ("id,images,Usage\nq,a,Public\nq,a,Public\n", "line 3: q is repeated"),
        ("id,images,Usage\nq,,Public\n", "query q has Usage Public but no relevant image"),
        ("id,images,Usage\nq,None,Private\n", "its Usage must be Ignored"),
        ('id,images,Usage\nq,"a, b",Public\n', "line 2: expected ids with spaces between"),
        ("id,images,Usage\nq,['a'],Public\n", "found \"['a']\"; write them without commas"),
        ("id,images,Usage\nq,None,Ignored\n", "expected scored queries, found 1, all Ignored"),
    ],
)
def test_wrong_retrieval_solutions(tmp_path, text, message):
    with pytest.raises(UserError) as caught:
        solutions.read_retrieval_solution(write(tmp_path, text))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,landmarks,Usage\nq,x,Public\n", "line 2: expected landmark numbers, found 'x'"),
        ("id,landmarks,Usage\nq,,Public\n", "expected scored images with a landmark"),
    ],
)
def test_wrong_recognition_solutions(tmp_path, text, message):
    with pytest.raises(UserError) as caught:
        solutions.read_recognition_solution(write(tmp_path, text))
    assert message in str(caught.value)


def test_the_real_solutions(minigld):
    # shared/README.md: 242 test photos; 150 of index and test together show no landmark.
    metadata = minigld / "metadata"
    retrieval = solutions.read_retrieval_solution(str(metadata / "retrieval_solution_v2.1.csv"))
    recognition = solutions.read_recognition_solution(
        str(metadata / "recognition_solution_v2.1.csv")
    )
    assert len(retrieval.usage) == len(recognition.usage) == 242
    with_landmark = {image_id for image_id, ids in recognition.landmarks.items() if ids}
    assert set(retrieval.relevant) <= with_landmark
