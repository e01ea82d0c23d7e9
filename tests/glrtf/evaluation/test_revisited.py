import io
import json

import pytest
from PIL import Image

from glrtf.commands import evaluate
from glrtf.evaluation import revisited
from tfrecords_tools.errors import UserError

NAMES = ["a", "b", "c", "d", "e", "f"]
# Query p: a and b are easy, c is hard, d is junk. Query q: only e, hard.
TRUTH = {
    "imlist": NAMES,
    "qimlist": ["p", "q"],
    "gnd": [
        {"easy": [0, 1], "hard": [2], "junk": [3], "bbx": [10, 20, 50, 80]},
        {"easy": [], "hard": [4], "junk": [], "bbx": None},
    ],
}
RANKINGS = {"p": ["d", "c", "a", "f", "b", "e"], "q": ["f", "e", "a", "b", "c", "d"]}


@pytest.fixture
def truth(tmp_path):
    path = tmp_path / "gnd_roxford5k.json"
    path.write_text(json.dumps(TRUTH))
    return str(path)


def measured(truth, rankings=None):
    return revisited.measures(
        (rankings or RANKINGS).items(),
        revisited.read_ground_truth(truth),
        name="s.csv",
        resamples=0,
    )


def test_average_precision_by_hand():
    # Ranks 0 and 2 of two: first trapezoid (1 + 1) / 2, second (1/2 + 2/3) / 2.
    assert revisited.average_precision([0, 2], 2) == pytest.approx((1 + (1 / 2 + 2 / 3) / 2) / 2)
    # Found at rank 1 alone, of three: (0/1 + 1/2) / 2 / 3.
    assert revisited.average_precision([1], 3) == pytest.approx(0.25 / 3)
    assert revisited.average_precision([], 3) == 0
    assert revisited.average_precision([0, 1, 2], 3) == 1


def test_precision_stops_at_the_last_right_image():
    # Right at ranks 1 and 3 (from 1): at 10 it is 2 of 3, at 2 it is 1 of 2.
    assert revisited.precision_at([0, 2], 10) == pytest.approx(2 / 3)
    assert revisited.precision_at([0, 2], 2) == 0.5
    assert revisited.precision_at([], 5) == 0


def test_setups_by_hand(truth):
    result = measured(truth)
    # Easy: without c and d, p ranks a f b e: right at 0 and 2. q has nothing easy.
    assert result["Easy"]["queries"] == 1
    assert result["Easy"]["map"] == pytest.approx((1 + 7 / 12) / 2)
    assert result["Easy"]["mp@5"] == pytest.approx(2 / 3)
    # Medium: without d, p ranks c a f b e: right at 0, 1 and 3, (1 + 1 + (2/3 + 3/4) / 2) / 3;
    # q finds e at rank 1: (0 + 1/2) / 2.
    of_p = (2 + (2 / 3 + 3 / 4) / 2) / 3
    assert result["Medium"]["map"] == pytest.approx((of_p + 0.25) / 2)
    assert result["Medium"]["mp@1"] == pytest.approx((1 + 0) / 2)
    # Hard: without a, b and d, p ranks c f e: right at 0, which is 1; q as before.
    assert result["Hard"]["map"] == pytest.approx((1 + 0.25) / 2)
    assert result["Hard"]["queries"] == 2


def test_a_missing_query_scores_nothing(truth):
    result = measured(truth, {"p": RANKINGS["p"]})
    assert result["Hard"]["map"] == pytest.approx(1 / 2)
    assert result["Easy"]["map"] == pytest.approx((1 + 7 / 12) / 2)


@pytest.mark.parametrize(
    ("rankings", "message"),
    [
        ({"pp": ["a"]}, "query 'pp' is not in the ground truth; did you mean p?"),
        ({"p": ["a", "a"]}, "query 'p' ranks an image twice"),
        ({"p": ["a", "z"]}, "ranks 'z', which is not in imlist"),
    ],
)
def test_wrong_rankings(truth, rankings, message):
    with pytest.raises(UserError) as caught:
        measured(truth, rankings)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gnd": None}, "gnd: expected a list, found null"),
        ({"qimlist": ["p"]}, "expected as many gnd as qimlist"),
        ({"imlist": ["a"]}, "gnd[0].easy: expected places in imlist, 0 to 0, found 1"),
        (
            {"gnd": [{"easy": [-1], "hard": [], "junk": []}] * 2},
            "gnd[0].easy: expected places in imlist, 0 to 5, found -1",
        ),
        ({"gnd": [{}, {}]}, "expected gnd[0].easy, found none"),
    ],
)
def test_wrong_ground_truth(tmp_path, change, message):
    path = tmp_path / "gnd.json"
    path.write_text(json.dumps(TRUTH | change))
    with pytest.raises(UserError) as caught:
        revisited.read_ground_truth(str(path))
    assert message in str(caught.value)


def test_query_crop(truth):
    out = io.BytesIO()
    image = Image.new("RGB", (100, 100), "blue")
    image.paste("red", (10, 20, 50, 80))
    image.save(out, "PNG")
    box = revisited.read_ground_truth(truth).queries["p"].box
    cut = Image.open(io.BytesIO(revisited.crop_query(out.getvalue(), box)))
    assert cut.size == (40, 60)
    red, _, blue = cut.getpixel((20, 30))
    assert red > 200 > 50 > blue
    assert revisited.crop_query(b"as it is", None) == b"as it is"


def test_a_query_is_cut_before_it_is_turned_upright(truth):
    exif = Image.Exif()
    exif[0x0112] = 6  # Shown turned by 90 degrees to the right.
    out = io.BytesIO()
    image = Image.new("RGB", (100, 100), "blue")
    image.paste("red", (10, 20, 50, 40))
    image.save(out, "JPEG", quality=95, exif=exif)
    box = revisited.read_ground_truth(truth).queries["p"].box
    cut = Image.open(io.BytesIO(revisited.crop_query(out.getvalue(), box)))
    # 40 x 60 with its upper third red, turned: 60 x 40 with its right third red.
    assert cut.size == (60, 40)
    red, _, blue = cut.getpixel((55, 20))
    assert red > 200 > 50 > blue
    red, _, blue = cut.getpixel((20, 20))
    assert blue > 200 > 50 > red


def test_a_query_that_claims_too_many_pixels_is_refused_unread(truth):
    out = io.BytesIO()
    Image.new("RGB", (16, 16)).save(out, "JPEG")
    data = bytearray(out.getvalue())
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = (9000).to_bytes(2, "big") * 2  # Height and width.
    box = revisited.read_ground_truth(truth).queries["p"].box
    with pytest.raises(OSError, match=r"too large \(9000x9000\)"):
        revisited.crop_query(bytes(data), box)


def test_command(truth, tmp_path, capsys):
    lines = [f"{name},{' '.join(ranking)}" for name, ranking in RANKINGS.items()]
    submission = tmp_path / "s.csv"
    submission.write_text("\n".join(["id,images", lines[0], ""]))
    result = tmp_path / "o.json"
    assert evaluate.main([str(submission), truth, "--json", str(result)]) == 0
    captured = capsys.readouterr()
    assert "1 of 2 queries are missing and score 0" in captured.err
    content = json.loads(result.read_text())
    assert content["task"] == "revisited"
    assert content["measures"]["Hard"]["map"] == pytest.approx(0.5)
    assert evaluate.main([str(submission), truth, "--compare", "x.csv"]) == 2
    assert "--compare: expected retrieval files" in capsys.readouterr().err
