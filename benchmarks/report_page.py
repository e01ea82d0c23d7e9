"""Time to open the report with 1,000 queries and their thumbnails.

    python benchmarks/report_page.py [--queries 1000] [--keep FOLDER]

It generates a retrieval of that many queries over 4,000 index photos, runs ``glrtf.report``
in a temporary folder, opens the page from disk in headless Chromium, and prints the
milliseconds of the browser's clock with the limit of 2,000: until the page is interactive,
until it has loaded, until the first paint, and, after scrolling to the gallery, until the
photos in view are shown. Chromium and chromedriver must be on the path.
"""

import argparse
import io
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

INDEX, RANKED, LANDMARKS = 4000, 100, 200
LIMIT = 2000.0
_ORDER = (
    "page can be used",
    "scripts have run",
    "loaded",
    "first contentful paint",
    "gallery's photos shown",
)
_TIMES = """
const [page] = performance.getEntriesByType("navigation");
const paint = performance.getEntriesByName("first-contentful-paint")[0];
return {"page can be used": page.domInteractive, "scripts have run": page.domContentLoadedEventEnd,
        "loaded": page.loadEventEnd, "first contentful paint": paint ? paint.startTime : null};
"""
_SHOW_GALLERY = """
const done = arguments[0], began = performance.now();
document.getElementById("gallery").scrollIntoView({behavior: "instant"});
const seen = () => [...document.querySelectorAll("#queries img")].filter((image) => {
  const box = image.getBoundingClientRect(); return box.top < innerHeight && box.bottom > 0; });
const look = () => seen().length && seen().every((image) => image.complete && image.naturalWidth)
  ? done(performance.now() - began) : requestAnimationFrame(look);
requestAnimationFrame(look);
"""


def main() -> None:
    """Makes the report, opens it three times, prints the table of the slowest."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--keep", help="make the report here and leave it")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(args.keep or name)
        if not (folder / "report" / "index.html").exists():
            _make_report(folder, args.queries)
        page = folder / "report" / "index.html"
        times = [_open(page.as_uri()) for _ in range(3)]
        size = page.stat().st_size
    print(f"{args.queries} queries, index.html {size / 1e6:.2f} MB, the slowest of 3")
    print(f"{'':28}{'ms':>8}{'limit':>8}{'ratio':>8}")
    for what in _ORDER:
        slowest = max(time[what] for time in times)
        print(f"{what:28}{slowest:8.0f}{LIMIT:8.0f}{slowest / LIMIT:8.2f}")


def _make_report(folder: Path, queries: int) -> None:
    from glrtf.commands import report

    generator = np.random.default_rng(0)
    index = np.array([f"{n * 16777619 % 2**64:016x}" for n in range(1, INDEX + 1)])
    query_ids = np.array([f"{n * 2246822519 % 2**64:016x}" for n in range(1, queries + 1)])
    marks = generator.integers(LANDMARKS, size=INDEX)
    own = generator.integers(LANDMARKS, size=queries)
    _write_retrieval(folder / "retrieval", generator, query_ids, index, marks, own)
    lines = ["id,images,Usage"]
    for query, mark in zip(query_ids, own, strict=True):
        lines.append(f"{query},{' '.join(index[marks == mark])},Private")
    (folder / "solution.csv").write_text("\n".join([*lines, ""]))
    for image_id in (*query_ids, *index):
        _write_photo(folder / "photos", generator, image_id)
    flags = {name: folder / name for name in ("retrieval", "report")}
    flags = {"retrieval": flags["retrieval"], "output": flags["report"]}
    flags |= {"solution": folder / "solution.csv", "source": folder / "photos"}
    if report.main([f"--{name}={value}" for name, value in flags.items()]):
        raise SystemExit("glrtf.report failed")


def _write_retrieval(
    folder: Path,
    generator: np.random.Generator,
    query_ids: np.ndarray,
    index: np.ndarray,
    marks: np.ndarray,
    own: np.ndarray,
) -> None:
    folder.mkdir(parents=True)
    shape = (len(query_ids), RANKED)
    ranked = np.zeros(shape, np.int64)
    for row, mark in enumerate(own):
        score = generator.random(INDEX) + (marks == mark)
        ranked[row] = np.argsort(-score)[:RANKED]
    lines = [f"{q},{' '.join(index[r])}" for q, r in zip(query_ids, ranked, strict=True)]
    (folder / "submission.csv").write_text("\n".join(["id,images", *lines, ""]))
    (folder / "retrieval.json").write_text("{}")
    bridged = -np.sort(-generator.random(shape), axis=1)
    np.savez(
        folder / "evidence.npz",
        query_ids=query_ids.astype("S16"),
        index_ids=index[ranked].astype("S16"),
        final=2 * bridged.astype(np.float32),
        direct=bridged.astype(np.float32),
        bridged=bridged.astype(np.float32),
        landmark_id=marks[ranked],
    )


def _write_photo(folder: Path, generator: np.random.Generator, image_id: str) -> None:
    """A photo with as much detail as a thumbnail of a real photo."""
    coarse = generator.integers(0, 255, (24, 32, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(coarse).resize((256, 192), Image.Resampling.BICUBIC).save(out, "JPEG")
    place = folder.joinpath(*image_id[:3])
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{image_id}.jpg").write_bytes(out.getvalue())


def _open(address: str) -> dict[str, Any]:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    with webdriver.Chrome(options=options, service=service) as browser:
        browser.set_window_size(1400, 1000)
        browser.get(address)
        times = browser.execute_script(_TIMES)
        times["gallery's photos shown"] = browser.execute_async_script(_SHOW_GALLERY)
    return times


if __name__ == "__main__":
    main()
