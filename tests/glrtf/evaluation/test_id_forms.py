import pytest
from hypothesis import given
from hypothesis import strategies as st

from glrtf.evaluation.id_forms import IdForm, lost_form_hint

HEX = st.text("0123456789abcdef", min_size=16, max_size=16)


@given(st.lists(HEX, min_size=1), st.lists(HEX))
def test_ids_of_the_published_form_are_never_unlike(known, predicted):
    assert IdForm([known]).unlike(predicted) == []


@given(st.lists(HEX, min_size=1), st.lists(st.text("0aA,. ", max_size=17)))
def test_unlike_is_judged_one_by_one(known, predicted):
    form = IdForm([known])
    slow = [p for p in predicted if len(p) != 16 or not set(p) <= set("0123456789abcdef")]
    assert form.unlike(predicted) == slow


@pytest.mark.parametrize(
    ("known", "predicted", "unlike"),
    [
        # Few ids of one's own say little: only the signs of lists are noticed.
        (["a", "b"], ["x", "c1", "d,", "'e'", "F"], ["d,", "'e'"]),
        (["IMG(2)"], ["IMG(3)"], []),
        # Many of one length do.
        ([f"{n:04d}" for n in range(30)], ["0031", "32", "abcd"], ["32", "abcd"]),
        ([f"IMG_{n}" for n in range(30)], ["IMG_100", "img_7", "IMG-7"], ["img_7", "IMG-7"]),
        ([], ["anything"], []),
        (["Köln (1)"], ["Zürich (2)"], []),
    ],
)
def test_ids_of_other_forms(known, predicted, unlike):
    assert IdForm([known]).unlike(predicted) == unlike


def test_lost_zeros():
    known = {"0000000000000012", "a"}
    assert "'0000000000000012' is: its leading zeros" in lost_form_hint("12", known)
    assert "found the file name 'a.jpg'; write ids without .jpg" in lost_form_hint("a.jpg", known)
    assert lost_form_hint("13", known) == lost_form_hint("a", known) == ""
