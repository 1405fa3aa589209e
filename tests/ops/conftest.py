"""Folders for servers, removed after the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.embedded import throwaway_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that an unprivileged server can enter."""
    with throwaway_folder() as made:
        yield made
