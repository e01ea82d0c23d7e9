"""The commands of README and docs/, page by page and in order, run as they stand.

What a page takes for granted, what is made small, and what is not run and why, is in
`documented_ways`.
"""

import contextlib
import json
import os
import pickle
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from documented import PAGES, ROOT, all_commands_of
from documented_ways import GIVEN, NOT_RUN, PLACES, README, SAMPLE, SMALL, reason_not_run
from shard_writing import photo

COMMANDS = {str(page.relative_to(ROOT)): list(all_commands_of(page)) for page in PAGES}
RUN = {
    page: [each for each in commands if not reason_not_run(each)]
    for page, commands in COMMANDS.items()
}
OTHER_PAGES = [page for page, commands in RUN.items() if commands and page != "README.md"]
ELLIPSIS = "…"


def test_every_reason_holds_for_some_command():
    shown = [f"{each} " for commands in COMMANDS.values() for each in commands]
    unused = [pattern for pattern in NOT_RUN if not any(re.search(pattern, s) for s in shown)]
    assert not unused


def test_most_commands_are_run():
    mentions = ("named in passing", "lists the arguments only")
    ours = [
        each
        for commands in COMMANDS.values()
        for each in commands
        if each.is_ours and reason_not_run(each) not in mentions
    ]
    run = [each for commands in RUN.values() for each in commands]
    assert len(run) > 55 and len(run) > len(ours) / 2
    assert set(PLACES) <= set(RUN)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, small_networks):
    """Holds a folder for each page, a small sample, and what README's commands have left."""
    from tfrecords_tools.sample import draw

    root = tmp_path_factory.mktemp("pages")
    small = SMALL["tfrecords_tools.sample"]
    assert draw.main([f"--output={root / SAMPLE}", "--seed=0", *small]) == 0
    (root / "configs").symlink_to(ROOT / "configs")
    _run_page("README.md", root)
    return root


def test_readme(folder):
    """From ROOT to a page, in the folder that later pages' places lead to."""
    run = folder / "README.md" / "runs" / "v2m_640"
    assert (run / "report" / "index.html").is_file()
    assert len((run / "retrieval" / "submission.csv").read_text().splitlines()) == 17


@pytest.mark.parametrize("page", OTHER_PAGES)
def test_page(page, folder, monkeypatch):
    """Only README's export is converted; those of other pages, of other runs, take its files."""
    from glrtf.inference import serving

    def copied(model, spec, output, facts, add):
        assert model.input_shape[-1] == 3 and not Path(output).exists()
        shutil.copytree(folder / README / "export", output)
        return 0.0

    monkeypatch.setattr(serving, "export", copied)
    _run_page(page, folder)


def _run_page(page, root):
    here = root / page
    for name, target in PLACES.get(page, {}).items():
        place = here / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(root / target)
    here.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(here):
        if page in BEFORE:
            BEFORE[page]()
        for command in RUN[page]:
            _run(command)


def _run(command):
    arguments = _completed(command)
    if not command.is_ours:
        script = [str(ROOT / command.module)] if command.module.endswith(".py") else []
        way = [sys.executable, *script, *arguments]
        done = subprocess.run(way, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return
    module = command.imported()
    # A look at the help ends as such looks do.
    ended = pytest.raises(SystemExit, match=r"^0$")
    with ended if "--help" in arguments else contextlib.nullcontext():
        run = _serve_and_visit if command.module == "glrtf.serve" else module.main
        assert run(arguments) == 0, str(command)


def _completed(command):
    """The arguments with what stands for an ellipsis, and with the flags that make them small."""
    arguments = list(command.arguments)
    if any(ELLIPSIS in each for each in arguments):
        given = next(v for start, v in GIVEN.items() if str(command).startswith(start))
        shown = re.sub(rf"(--\w+ )?\S*{ELLIPSIS}", "", " ".join(arguments)).split()
        arguments = [*given.split(), *shown]
    return arguments + SMALL.get(command.module, [])


def _before_evaluation():
    """Predictions of other kinds, and a miniature of Revisited Oxford as it is published."""
    with open("metadata/recognition_solution_v2.1.csv") as file:
        ids = [line.partition(",")[0] for line in file][1:]
    with open("recognition.csv", "w") as file:
        file.write("id,landmarks\n")
        file.writelines(f"{image_id},7 0.5\n" for image_id in ids)
    names = [f"photo_of_something_{number:06d}" for number in range(4)]
    truth = {
        "imlist": names[:3],
        "qimlist": names[3:],
        "gnd": [{"easy": [0], "hard": [1], "junk": [], "bbx": [0.0, 0.0, 40.0, 24.0]}],
    }
    with open("gnd_roxford5k.pkl", "wb") as file:
        pickle.dump(truth, file)
    # The second command of the page reads what a later one writes.
    with open("gnd_roxford5k.json", "w") as file:
        json.dump(truth, file)
    with open("rankings.csv", "w") as file:
        file.write(f"id,images\n{names[3]},{' '.join(names[:3])}\n")
    with open("metadata/index.csv") as file:
        index_ids = [line.partition(",")[0].strip() for line in file][1:]
    tables = {"query_labels": ids, "index_labels": index_ids, "labels": [*ids, *index_ids]}
    for name, labelled in tables.items():
        with open(f"{name}.csv", "w") as file:
            file.writelines(["id,label\n", *(f"{image_id},7\n" for image_id in labelled)])
    os.makedirs("oxford5k/jpg")
    for number, name in enumerate(names):
        with open(f"oxford5k/jpg/{name}.jpg", "wb") as file:
            file.write(photo(number))


def _before_inference():
    with open("photo.jpg", "wb") as file:
        file.write(photo(0))


BEFORE = {"docs/evaluation.md": _before_evaluation, "docs/inference.md": _before_inference}


def _serve_and_visit(arguments):
    """Serves until a visitor has had an answer and asks to stop."""
    from glrtf.commands import serve

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    before = signal.getsignal(signal.SIGTERM)
    answers = []
    visitor = threading.Thread(target=_visit, args=(port, answers), daemon=True)
    visitor.start()
    try:
        return serve.main([*arguments, f"--port={port}"])
    finally:
        signal.signal(signal.SIGTERM, before)
        visitor.join(600)
        assert answers and answers[0]["photos"]


def _visit(port, answers):
    boundary = "b"
    body = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="x"\r\n\r\n'
    body += photo(0) + b"\r\n--b--\r\n"
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/search?limit=5",
        body,
        {"Content-Type": f"multipart/form-data; boundary={boundary}"},
    )
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        with contextlib.suppress(ConnectionError, urllib.error.URLError):
            with urllib.request.urlopen(request, timeout=600) as response:
                answers.append(json.load(response))
            break
        time.sleep(0.05)
    else:
        return
    os.kill(os.getpid(), signal.SIGTERM)
