import dataclasses
import json

import numpy as np
import pytest
from photo_world import image_id
from shard_writing import photo

from glrtf.commands import search
from glrtf.config.service import PhotoSearchConfig, SearcherConfig
from glrtf.embeddings.embedding_set import EmbeddingSet, finish, write_part
from glrtf.service.photo_input import PhotoReader
from glrtf.service.queries import IndexPhotos, Query, Within, mean_row
from glrtf.service.row_searcher import RowSearcher
from glrtf.service.searched import open_searched
from tfrecords_tools.errors import UserError


@pytest.fixture(scope="module")
def rows(parts):
    return np.array(parts[1].index.part(0)[0], np.float32)


def pixels(parts, number):
    return PhotoReader(parts[1].model.embedder.size)(photo(number))


def index_of(world, folder, kept):
    """A searcher of an index with some of the photos only."""
    stored, ids = EmbeddingSet.open(world.index).part(0)
    meta = EmbeddingSet.open(world.index).meta
    write_part(str(folder / "set"), 0, 1, np.array(stored[kept]), ids[kept])
    finish(str(folder / "set"), 1, **meta)
    config = SearcherConfig(
        **{**world.searched, "index": str(folder / "set"), "cache": str(folder / "cache")}
    )
    return RowSearcher(open_searched(config), config)


def figures(answer):
    """An answer without its probabilities, which belong to an index."""
    photos = [dataclasses.replace(each, probability=None) for each in answer.photos]
    marks = [dataclasses.replace(each, probability=None) for each in answer.landmarks]
    return photos, marks


def test_limits_give_the_answers_of_an_index_without_the_others(world, parts, rows, tmp_path):
    # Photos 1 and 5 show landmark 101, photos 2 and 6 landmark 102.
    alone = index_of(world, tmp_path, [1, 2, 5, 6])
    within = Within(labels=("Tower <101>", "102"))
    for number in range(8):
        like = Query((), (image_id(number),), within)
        [found] = parts[1].ask([like])
        [expected] = alone.answer(rows[number : number + 1])
        kept = [each for each in expected.photos if each.image_id != image_id(number)]
        expected = dataclasses.replace(expected, photos=tuple(kept))
        assert figures(found) == figures(expected)


def test_an_index_photo_is_searched_with_and_not_found(parts, rows):
    for number in range(8):
        [found] = parts[1].ask([Query(like=(image_id(number),))], 5)
        [whole] = parts[1].answer(rows[number : number + 1], 6)
        expected = [each for each in whole.photos if each.image_id != image_id(number)]
        assert found.landmarks == whole.landmarks
        assert list(found.photos) == expected[:5]


def test_photos_go_by_their_owners_names_too(parts):
    by_name, by_id = parts[1].ask([Query(like=("my first.jpg",)), Query(like=(image_id(0),))])
    assert by_name == by_id


def test_several_photos_are_searched_by_their_mean(parts, rows):
    photos = (pixels(parts, 9), pixels(parts, 10))
    [found] = parts[1].ask([Query(photos, (image_id(3),))], 7)
    embedded = np.concatenate([parts[1].model(photos), rows[3:4]]).astype(float)
    mean = embedded.sum(axis=0)
    mean = (mean / np.sqrt((mean**2).sum())).astype(np.float32)
    [expected] = parts[1].answer(mean[None], 8)
    kept = [each for each in expected.photos if each.image_id != image_id(3)][:7]
    assert [each.image_id for each in found.photos] == [each.image_id for each in kept]
    np.testing.assert_allclose(
        [each.final for each in found.photos], [each.final for each in kept], atol=1e-5
    )


def test_opposite_rows_leave_the_first():
    found = mean_row(np.array([[0.6, 0.8], [-0.6, -0.8]]))
    np.testing.assert_allclose(found, [0.6, 0.8], rtol=1e-6)


def test_late_fusion_keeps_the_best_score_of_each_photo_and_landmark(parts):
    photos = tuple(pixels(parts, number) for number in (1, 9, 2))
    alone = parts[1].search(photos, 100)  # The index is smaller: all photos that may be answers.
    best, confidence = {}, {}
    for answer in alone:
        for each in answer.photos:
            best[each.image_id] = max(each.final, best.get(each.image_id, -1))
        for mark in answer.landmarks:
            known = confidence.get(mark.landmark_id, -1)
            confidence[mark.landmark_id] = max(mark.confidence, known)
    both = Query(photos, fusion="max")
    [whole], [some] = parts[1].ask([both], 100), parts[1].ask([both], 4)
    assert {each.image_id: each.final for each in whole.photos} == pytest.approx(best)
    finals = [each.final for each in whole.photos]
    assert finals == sorted(finals, reverse=True)
    assert some.photos == whole.photos[:4]
    # Among plain photos, with which it shares a pass over the index, it gets its own rows.
    first, among, last = parts[1].ask([Query(photos[:1]), both, Query(photos[2:])], 4)
    assert (first, among, last) == (alone[0].head(4), some, alone[2].head(4))
    marks = [mark.confidence for mark in whole.landmarks]
    assert marks == pytest.approx(sorted(confidence.values(), reverse=True)[: len(marks)])


def test_late_fusion_stays_within_limits_and_leaves_out_the_photos_themselves(parts):
    names = (image_id(1), image_id(2))
    within = Within(labels=("101", "102"))
    [fused] = parts[1].ask([Query(like=names, within=within, fusion="max")])
    scores = {}
    for name in names:
        [answer] = parts[1].ask([Query(like=(name,), within=within)])
        for each in answer.photos:
            scores[each.image_id] = max(each.final, scores.get(each.image_id, -1))
    expected = {name: value for name, value in scores.items() if name not in names}
    assert {each.image_id: each.final for each in fused.photos} == pytest.approx(expected)


def test_a_plain_photo_is_answered_as_before(parts):
    photos = [pixels(parts, number) for number in (1, 9)]
    found = parts[1].ask([Query((each,)) for each in photos], 6)
    assert found == parts[1].search(photos, 6)


def test_of_several_queries_only_the_wrong_ones_fail(parts):
    queries = [
        Query(like=(image_id(2),)),
        Query(like=("nothing",)),
        Query(like=(image_id(2),), within=Within(labels=("Towr <101>",))),
        Query(like=(image_id(2),), within=Within(folders=("photos",))),
        Query(like=(image_id(2),)),
    ]
    first, *wrong, last = parts[1].ask(queries)
    assert first == last
    assert [type(each) for each in wrong] == [UserError] * 3
    assert [str(each) for each in wrong] == [
        "--like nothing: expected the id or name of an index photo, found none such",
        "--only_labels Towr <101>: expected the number or name of a landmark of the index, found "
        "none such; did you mean Tower <101>?",
        "--only_folders photos: expected a folder of index photos, found none of that name",
    ]


def test_folders_are_beginnings_of_names():
    ids = np.array([b"1", b"2", b"3", b"old/4"])
    names = {"1": "Italy/Rome/a.jpg", "2": "Italy/b.jpg", "3": "Italy2/c.jpg"}
    photos = IndexPhotos(ids, names, np.array([7, 8, 7, -1]), {7: "Arch"})
    assert photos.chosen(Within(folders=("Italy",))).tolist() == [0, 1]
    assert photos.chosen(Within(folders=("Italy/Rome/", "old"))).tolist() == [0, 3]
    assert photos.chosen(Within(("arch",), ("Italy",))).tolist() == [0]
    with pytest.raises(UserError, match="in one of the folders, found none"):
        photos.chosen(Within(("8",), ("Italy2",)))
    with pytest.raises(UserError, match="did you mean Italy2"):
        photos.chosen(Within(folders=("italy2",)))
    unlabelled = IndexPhotos(ids, names, np.full(4, -1), {})
    with pytest.raises(UserError, match="expected an index whose photos' landmarks are known"):
        unlabelled.chosen(Within(("7",)))


def flags_of(world, tmp_path, *names):
    chosen = names or world.searched
    flags = [f"--{name}={world.searched[name]}" for name in chosen]
    return [*flags, "--cache", str(tmp_path / "cache"), "--json", str(tmp_path / "a.json")]


def answers_in(tmp_path):
    return json.loads((tmp_path / "a.json").read_text())["answers"]


def test_the_command_searches_boxes_and_several_photos(world, tmp_path, capsys):
    first, second = world.photos[:2]
    flags = flags_of(world, tmp_path)
    assert search.main([first, first, *flags, "--box", "0,0,0.5,1", "all"]) == 0
    boxed, whole = answers_in(tmp_path)
    assert [boxed["photo"], whole["photo"]] == [f"{first} [0,0,0.5,1]", first]
    assert boxed["photos"][0]["direct"] < whole["photos"][0]["direct"]
    assert search.main([first, second, *flags, "--together", "--like", image_id(5)]) == 0
    [together] = answers_in(tmp_path)
    assert together["photo"] == f"{first} + {second} + {image_id(5)}"
    assert image_id(5) not in [each["image_id"] for each in together["photos"]]
    assert search.main([first, second, *flags, "--together", "--fusion", "max"]) == 0
    [fused] = answers_in(tmp_path)
    assert search.main([first, second, *flags]) == 0
    singly = [each["final"] for answer in answers_in(tmp_path) for each in answer["photos"]]
    assert fused["photo"] == f"{first} + {second}"
    assert fused["photos"][0]["final"] == max(singly)


def test_the_command_needs_no_model_for_index_photos(world, tmp_path, capsys):
    flags = flags_of(world, tmp_path, "index", "train", "landmarks")
    assert search.main(["--like", image_id(1), image_id(2), *flags, "--only_labels", "101"]) == 0
    one, two = answers_in(tmp_path)
    assert [each["image_id"] for each in one["photos"]] == [image_id(5)]
    assert {each["image_id"] for each in two["photos"]} == {image_id(1), image_id(5)}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["{0}", "--box", "1,2,3"], "--box: expected x0,y0,x1,y1"),
        (["{0}", "--box", "1,2,3,4", "5,6,7,8"], "--box: expected one for each of 1 photos"),
        (
            ["{0}", "--box", "500,0,600,9"],
            "the box 500,0,600,9 lies outside the photo of 40x24 pixels",
        ),
        (["--like", "other"], "--like other: expected the id or name of an index photo"),
        (["{0}", "none.jpg", "--together"], "none.jpg: no such file"),
        (["{0}", "--fusion", "max"], "fusion: expected --together with max"),
        (["{0}", "--only_labels", "999"], "--only_labels 999: expected the number or name"),
    ],
)
def test_mistakes_take_one_line(world, tmp_path, capsys, given, message):
    given = [each.format(*world.photos) for each in given]
    assert search.main([*given, *flags_of(world, tmp_path)]) == 2
    [line] = [text for text in capsys.readouterr().err.splitlines() if "error" in text]
    assert message in line


def test_settings_need_something_to_search_with():
    with pytest.raises(ValueError, match="photos: expected at least one, or --like"):
        PhotoSearchConfig(photos=(), index="set")
