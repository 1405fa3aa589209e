"""A full disk is told apart from other failures."""

import errno
from pathlib import Path

import pytest

from ops.embedded import errors
from ops.embedded.errors import disk_hint, explain_os_error


def test_the_system_says_that_the_disk_is_full() -> None:
    error = OSError(errno.ENOSPC, "No space left on device", "/data/file")
    said = str(explain_os_error(error, "write the log"))
    assert said.startswith("The disk is full: could not write the log (/data/file).")
    assert "Permission denied" in str(explain_os_error(PermissionError(13, "Permission denied"), "write"))


def test_a_server_says_so_or_the_disk_itself_shows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert disk_hint(tmp_path, "FATAL: something else") == ""
    assert "The disk is full" in disk_hint(tmp_path, "FATAL: No space left on device")
    monkeypatch.setattr(errors, "WORKING_BYTES", 1 << 62)
    assert "The disk is full" in disk_hint(tmp_path, "")
