import os

import pytest

from tfrecords_tools.command import native_messages


def test_other_lines_appear_when_the_block_ends(capfd):
    with native_messages.dropped(b"I0000 ", b"INFO: Created"):
        os.write(2, b"I0000 a note\nE0000 a fault\nINFO: Created a delegate\nINFO: rest\n")
        assert capfd.readouterr().err == ""
    assert capfd.readouterr().err == "E0000 a fault\nINFO: rest\n"


def test_what_was_written_before_an_error_is_not_lost(capfd):
    with pytest.raises(RuntimeError), native_messages.dropped(b"I0000 "):
        os.write(2, b"why it failed\n")
        raise RuntimeError
    assert capfd.readouterr().err == "why it failed\n"
