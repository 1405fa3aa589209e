"""Messages on their way, oldest first, kept until the hub says that it has them.

Each carries a key under which the hub stores it once, however often it is sent.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that is not acknowledged yet."""

    key: str
    channel: str
    body: str


class Outbox(Protocol):
    """Where drafts are kept. A key that is there already is not added again."""

    def drafts(self) -> list[Draft]:
        """All of them, oldest first."""
        ...

    def add(self, draft: Draft) -> None:
        """Keep it; it must be safe when this returns."""
        ...

    def remove(self, key: str) -> None:
        """It was acknowledged, or refused for good."""
        ...


class MemoryOutbox:
    """Drafts that live as long as the process."""

    def __init__(self) -> None:
        """Empty."""
        self._drafts: dict[str, Draft] = {}

    def drafts(self) -> list[Draft]:
        """All of them, oldest first."""
        return list(self._drafts.values())

    def add(self, draft: Draft) -> None:
        """Keep it."""
        self._drafts.setdefault(draft.key, draft)

    def remove(self, key: str) -> None:
        """Forget it."""
        self._drafts.pop(key, None)


class FileOutbox(MemoryOutbox):
    """Drafts that survive the process, in a journal of JSON lines. One process a file.

    A draft is on the disk when ``add`` returns. A removal that a crash takes back costs one repeat, which the key
    makes harmless.
    """

    def __init__(self, path: Path) -> None:
        """Read what is there; the last line may be torn. Raises ``OSError``."""
        super().__init__()
        for entry in _entries(path):
            if "removed" in entry:
                super().remove(entry["removed"])
            else:
                super().add(Draft(**entry))
        fresh = path.with_name(path.name + ".new")
        fresh.write_text("".join(_line(asdict(draft)) for draft in self.drafts()), encoding="utf-8")
        fresh.replace(path)
        self._journal = path.open("a", encoding="utf-8")

    def add(self, draft: Draft) -> None:
        """Keep it, on the disk."""
        super().add(draft)
        self._write(asdict(draft))
        os.fsync(self._journal.fileno())

    def remove(self, key: str) -> None:
        """Forget it."""
        super().remove(key)
        self._write({"removed": key})

    def close(self) -> None:
        """Give the file back."""
        self._journal.close()

    def _write(self, entry: dict[str, Any]) -> None:
        self._journal.write(_line(entry))
        self._journal.flush()


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(entry) + "\n"


def _entries(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    whole, _, _torn = path.read_text(encoding="utf-8").rpartition("\n")
    return [json.loads(line) for line in whole.splitlines()]
