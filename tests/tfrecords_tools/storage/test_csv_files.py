import subprocess
import sys

import pytest

from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import csv_files

HEADER = ("id", "name")
ROWS = [("a", "Zürich, See"), (1, 'the "old" town'), ("b", "")]
CONTENT = 'id,name\na,"Zürich, See"\n1,"the ""old"" town"\nb,\n'


def test_a_file_and_a_text_hold_the_same(tmp_path):
    path = tmp_path / "new" / "names.csv"
    csv_files.write(str(path), HEADER, iter(ROWS))
    assert path.read_bytes() == CONTENT.encode()
    assert csv_files.text(HEADER, iter(ROWS)) == CONTENT


def test_utf_8_is_written_whatever_the_locale_is(tmp_path):
    path = tmp_path / "names.csv"
    code = (
        "import sys\nfrom tfrecords_tools.storage import csv_files\n"
        "csv_files.write(sys.argv[1], ('name',), [('Z\\u00fcrich',)])"
    )
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    subprocess.run([sys.executable, "-c", code, str(path)], env=environment, check=True)
    assert path.read_bytes() == "name\nZürich\n".encode()


def test_a_name_that_utf_8_cannot_hold_is_one_line_and_leaves_no_file(tmp_path):
    path = tmp_path / "photos.csv"
    with pytest.raises(UserError, match=r"photos\.csv: expected names in UTF-8.*udcff.*rename"):
        csv_files.write(str(path), HEADER, [("a", "caf\udcff.jpg")])
    assert not list(tmp_path.iterdir())
