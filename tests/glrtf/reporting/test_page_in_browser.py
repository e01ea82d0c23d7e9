"""The report's page in a real browser: what a person would do with it."""

import io
import struct

import numpy as np
import pytest
import retrieval_files as rf
from browsing import headless_browser, press
from browsing import wait_for as wait
from PIL import Image

from glrtf.commands import report

QUERIES = 45
INDEX = [f"a{number:015x}" for number in range(30)]


def write_material(folder):
    """Queries of three landmarks; the first ranks badly, bridging helps every other one."""
    generator = np.random.default_rng(0)
    query_ids = [f"b{number:015x}" for number in range(QUERIES)]
    lines, solution = ["id,images"], ["id,images,Usage"]
    shape = (QUERIES, len(INDEX))
    arrays = {name: np.zeros(shape, np.float32) for name in ("final", "direct", "bridged")}
    index_ids = np.zeros(shape, "S16")
    landmark_id = np.full(shape, -1, np.int64)
    for row, query_id in enumerate(query_ids):
        first = row % 3 * 10
        relevant = INDEX[first : first + 10]
        order = sorted(INDEX, key=lambda i, r=relevant: (i in r, i)) if row == 0 else INDEX
        lines.append(f"{query_id},{' '.join(order)}")
        none = row % 15 == 14
        solution.append(
            f"{query_id},None,Ignored" if none else f"{query_id},{' '.join(relevant)},Public"
        )
        index_ids[row] = [image_id.encode() for image_id in order]
        arrays["direct"][row] = generator.permutation(np.linspace(0.1, 0.9, len(INDEX)))
        arrays["bridged"][row] = 0.5 if row % 2 else 0
        landmark_id[row] = 7 if row % 2 else -1
    retrieval = folder / "retrieval"
    retrieval.mkdir()
    (retrieval / "submission.csv").write_text("\n".join([*lines, ""]))
    (retrieval / "retrieval.json").write_text("{}")
    np.savez(
        retrieval / "evidence.npz",
        query_ids=np.array(query_ids, "S16"),
        index_ids=index_ids,
        landmark_id=landmark_id,
        **arrays,
    )
    source = rf.write_source(folder / "source")
    (source / "metadata" / "solution.csv").write_text("\n".join([*solution, ""]))
    for number, image_id in enumerate([*query_ids, *INDEX]):
        place = source / "test" / "/".join(image_id[:3])
        place.mkdir(parents=True, exist_ok=True)
        colour = tuple(int(c) for c in generator.integers(30, 225, 3))
        (place / f"{image_id}.jpg").write_bytes(rf.jpeg(60 + number % 40, 60, colour))
    return query_ids


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    query_ids = write_material(folder)
    settings = {
        "retrieval": folder / "retrieval",
        "solution": folder / "source" / "metadata" / "solution.csv",
        "source": folder / "source",
        "output": folder / "report",
    }
    assert report.main([f"--{name}={value}" for name, value in settings.items()]) == 0
    return f"file://{folder / 'report' / 'index.html'}", query_ids


@pytest.fixture(scope="module")
def browser():
    with headless_browser() as chrome:
        yield chrome


@pytest.fixture
def opened(browser, page):
    """The page freshly opened in a wide window; what went wrong in it fails the test."""
    address, query_ids = page
    browser.set_window_size(1400, 1000)
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get(address)
    wait(browser, "return document.documentElement.dataset.ready")
    yield browser, query_ids
    assert browser.get_log("browser") == []


def shown(browser):
    script = "return [...document.querySelectorAll('#queries a')].map(a => a.dataset.id)"
    return browser.execute_script(script)


def click(browser, selector):
    browser.execute_script("document.querySelector(arguments[0]).click()", selector)


def text(browser, selector):
    return browser.execute_script(
        "return document.querySelector(arguments[0]).textContent", selector
    )


def test_filters(opened):
    browser, query_ids = opened
    assert shown(browser) == query_ids[:20]
    click(browser, "[data-filter=worst]")
    # Only the first query ranks its right images last.
    assert shown(browser)[0] == query_ids[0]
    assert "queries, lowest average precision first" in text(browser, ".pager .where")
    assert text(browser, "[data-filter=worst]").startswith("Worst first (")
    click(browser, "[data-filter=none]")
    assert set(shown(browser)) == {query_ids[row] for row in (14, 29, 44)}
    assert "page 1 of 1 · 3 queries" in text(browser, ".pager .where")
    pressed = "return document.querySelector('[data-filter=none]').getAttribute('aria-pressed')"
    assert browser.execute_script(pressed) == "true"


def test_paging_and_the_address(opened):
    browser, query_ids = opened
    click(browser, ".pager .next")
    assert shown(browser) == query_ids[20:40]
    click(browser, ".pager .next")
    assert shown(browser) == query_ids[40:]
    assert browser.execute_script("return document.querySelector('.pager .next').disabled")
    browser.back()
    wait(
        browser,
        "return document.querySelector('#queries a').dataset.id === arguments[0]",
        query_ids[20],
    )


def test_search_by_id(opened):
    browser, query_ids = opened
    browser.execute_script("document.getElementById('text').focus()")
    press(browser, query_ids[33][-2:])
    assert query_ids[33] in shown(browser)
    assert all(query_ids[33][-2:] in query_id for query_id in shown(browser))


def test_a_query_with_its_marks_scores_and_bridge(opened):
    browser, query_ids = opened
    click(browser, f"a[data-id='{query_ids[1]}']")
    wait(browser, "return document.querySelectorAll('#ranks .rank').length === 30")
    assert text(browser, "#detail-title") == f"Query {query_ids[1]}"
    marks = "return [...document.querySelectorAll('#ranks .tick')].map(t => t.ariaLabel)"
    # Of the second landmark: ranks 11 to 20 are right.
    expected = ["wrong"] * 10 + ["right"] * 10 + ["wrong"] * 10
    assert browser.execute_script(marks) == expected
    assert "bridged by train landmark 7, Arc de Triomphe" in text(browser, "#bridge h3")
    photos = "return [...document.querySelectorAll('#bridge .train img')].map(i => i.src)"
    sources = browser.execute_script(photos)
    assert [source.rsplit("/", 1)[1] for source in sources] == [f"{i}.jpg" for i in rf.TRAIN[:2]]
    click(browser, "#close")
    assert not browser.execute_script("return document.getElementById('detail').open")


def test_marks_differ_by_more_than_colour(opened):
    browser, query_ids = opened
    click(browser, f"a[data-id='{query_ids[1]}']")
    wait(browser, "return document.querySelectorAll('#ranks .rank').length === 30")
    style = (
        "const image = document.querySelector(`#ranks .photo.${arguments[0]} img`);"
        "return [getComputedStyle(image).borderStyle,"
        " image.parentElement.querySelector('.tick').textContent]"
    )
    right, wrong = (browser.execute_script(style, mark) for mark in "rw")
    assert right[0] != wrong[0]
    assert right[1] != wrong[1]


def test_keyboard_alone(opened):
    from selenium.webdriver.common.keys import Keys

    browser, query_ids = opened
    press(browser, "n")
    assert shown(browser) == query_ids[20:40]
    press(browser, "jj")
    press(browser, Keys.ENTER)
    wait(browser, "return document.getElementById('detail').open")
    assert text(browser, "#detail-title") == f"Query {query_ids[22]}"
    press(browser, "j")
    wait(
        browser,
        "return document.getElementById('detail-title').textContent === arguments[0]",
        f"Query {query_ids[23]}",
    )
    wait(browser, "return document.querySelectorAll('#ranks .rank').length === 30")
    press(browser, Keys.ARROW_RIGHT)
    chosen = "return document.querySelectorAll('#ranks .rank')[1].getAttribute('aria-pressed')"
    assert browser.execute_script(chosen) == "true"
    press(browser, Keys.ESCAPE)
    wait(browser, "return !document.getElementById('detail').open")


def test_a_rank_chosen_at_once_stays_chosen(opened):
    browser, query_ids = opened
    click(browser, f"a[data-id='{query_ids[1]}']")
    wait(browser, "return document.querySelectorAll('#ranks .rank').length === 30")
    # All that the page does by itself after a step is done a moment later.
    script = (
        "const done = arguments[arguments.length - 1];"
        "document.getElementById('after').click();"
        "document.querySelectorAll('#ranks .rank')[2].click();"
        "setTimeout(() => done([...document.querySelectorAll('#ranks .rank')]"
        ".map(rank => rank.getAttribute('aria-pressed'))), 300)"
    )
    assert browser.execute_async_script(script) == ["false"] * 2 + ["true"] + ["false"] * 27
    assert text(browser, "#detail-title") == f"Query {query_ids[2]}"
    browser.back()
    wait(
        browser,
        "return document.getElementById('detail-title').textContent === arguments[0]",
        f"Query {query_ids[1]}",
    )


def test_the_first_step_begins_at_a_query_s_first_rank(opened):
    from selenium.webdriver.common.keys import Keys

    browser, query_ids = opened
    click(browser, f"a[data-id='{query_ids[1]}']")
    wait(browser, "return document.querySelectorAll('#ranks .rank').length === 30")
    press(browser, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    # The next query is not bridged: none of its ranks is chosen yet.
    press(browser, "j")
    press(browser, Keys.ARROW_RIGHT)
    chosen = "return document.querySelectorAll('#ranks .rank')[0].getAttribute('aria-pressed')"
    assert text(browser, "#detail-title") == f"Query {query_ids[2]}"
    assert browser.execute_script(chosen) == "true"


@pytest.mark.parametrize(("width", "columns"), [(1400, 12), (500, 4)])
def test_wide_and_narrow_windows(opened, width, columns):
    browser, _ = opened
    browser.set_window_size(width, 900)
    assert browser.execute_script(
        "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )
    grid = (
        "return getComputedStyle(document.querySelector('.strip'))"
        ".gridTemplateColumns.split(' ').length"
    )
    assert browser.execute_script(grid) == columns
    browser.execute_script("document.getElementById('gallery').scrollIntoView()")
    loaded = (
        "const image = document.querySelector('.strip img');"
        "return image.complete && image.naturalWidth > 0"
    )
    wait(browser, loaded)
    picture = browser.get_screenshot_as_png()
    assert struct.unpack(">I", picture[16:20])[0] <= width
    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    # Photos of many colours are on it: it is not an empty page.
    assert len(np.unique(pixels[::4, ::4].reshape(-1, 3), axis=0)) > 50


def test_a_photo_that_is_missing_says_so(opened):
    browser, query_ids = opened
    broken = (
        "const image = document.querySelector('.strip img'); image.src = 'gone.jpg';"
        "image.scrollIntoView()"
    )
    browser.execute_script(broken)
    wait(browser, "return document.querySelector('.strip .photo.none') !== null")
    browser.get_log("browser")
    assert query_ids


def test_photos_of_ids_that_an_address_would_read_otherwise(browser, tmp_path):
    """``#``, ``?`` and ``%`` mean something in an address."""
    query, *index = ids = ["#1?a=(b)", "50%25;c", "~7e+@"]
    source = tmp_path / "source"
    for image_id in ids:
        place = source.joinpath(*image_id[:3])
        place.mkdir(parents=True)
        (place / f"{image_id}.jpg").write_bytes(rf.jpeg(40, 40, (90, 9, 9)))
    (tmp_path / "ranking.csv").write_text(f"id,images\n{query},{' '.join(index)}\n")
    (tmp_path / "solution.csv").write_text(f"id,images,Usage\n{query},{index[0]},Public\n")
    names = {"retrieval": "ranking.csv", "solution": "solution.csv", "source": "source"}
    flags = [f"--{name}={tmp_path / file}" for name, file in names.items()]
    assert report.main([*flags, f"--output={tmp_path / 'report'}"]) == 0
    browser.get((tmp_path / "report" / "index.html").as_uri())
    loaded = "return [...document.images].filter((i) => i.complete && i.naturalWidth > 0).length"
    wait(browser, f"{loaded} == 3")
    assert browser.execute_script("return document.querySelectorAll('.photo.none').length") == 0
