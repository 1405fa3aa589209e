"""The load generator (``c/load.c`` or ``lean/load.py``) as an object: it is told what to do line by line."""

import json
import struct
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from bench.processes import BenchError
from ops.checkout import ROOT

STAMP: Final = b"~t" + b"@" * 16
"""Where the time of sending goes into a message."""
NUMBER: Final = b"#" * 8
"""Where its number goes."""


def text_frame(payload: bytes, *, opcode: int = 1) -> bytes:
    """A client's frame (RFC 6455, section 5.2): masked, with a mask of zeros, so that holes can be filled in place."""
    size = len(payload)
    head = struct.pack("!BB", 0x80 | opcode, 0x80 | size) if size < 126 else b""
    if not head:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
    return head + bytes(4) + payload


def filled(size: int) -> bytes:
    """A payload of ``size`` bytes with the stamp in it."""
    return STAMP + b"~" + b"x" * (size - len(STAMP) - 1)


def write_blobs(folder: Path, records: Iterable[bytes]) -> Path:
    """A file of records, each with its length in front."""
    path = folder / f"{uuid4().hex}.blobs"
    path.write_bytes(b"".join(struct.pack("<I", len(record)) + record for record in records))
    return path


@dataclass(frozen=True)
class Feed:
    """Where messages are published: ``sign_in`` are the first bytes, ``message`` the bytes of one, with holes."""

    port: int
    sign_in: bytes
    message: bytes
    first_number: int = 1


@dataclass(frozen=True)
class Clients:
    """How a client of a server joins: ``hellos`` follow the handshake, ``ready`` is in the answer to them."""

    path: str = "/"
    headers: list[bytes] = field(default_factory=list)
    hellos: list[bytes] = field(default_factory=list)
    sends: list[bytes] = field(default_factory=list)
    ready: str = ""
    is_stream: bool = False
    senders: int = 0


class Load:
    """Open sockets; see the head of ``c/load.c`` for what it answers."""

    def __init__(self, process: subprocess.Popen[str], folder: Path, count: int) -> None:
        """Made by ``load``."""
        self._process = process
        self._folder = folder
        self.count = count
        self.opened = self.answer()

    def tell(self, line: str) -> None:
        """Give a command; ``answer`` waits for its end."""
        assert self._process.stdin
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """The answer to the oldest command that has none yet."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise BenchError("the load generator has ended")
        found: dict[str, Any] = json.loads(line)
        return found

    def publish(self, feed: Feed, count: int, rate: float, *, expected: int | None = None, grace: float = 5.0) -> None:
        """Begin to publish; ``answer`` comes when all was delivered, or nothing came for ``grace`` seconds."""
        parts = write_blobs(self._folder, [feed.sign_in, feed.message])
        wanted = count * self.opened["ready"] if expected is None else expected
        self.tell(f"publish 127.0.0.1 {feed.port} {parts} {feed.first_number} {count} {rate} {wanted} {grace}")

    def send(self, count: int, rate: float, *, expected: int, grace: float = 5.0) -> dict[str, Any]:
        """Durable sends by the sockets that are senders."""
        self.tell(f"send {count} {rate} {expected} {grace}")
        return self.answer()


@contextmanager
def load(
    command: list[str], folder: Path, port: int, clients: Clients, count: int, *, sources: int = 4, at_once: int = 64
) -> Iterator[Load]:
    """That many sockets, open and ready. Raises ``BenchError`` when one could not be opened."""
    words = [f"port={port}", f"count={count}", f"sources={sources}", f"at_once={at_once}", f"path={clients.path}"]
    words += [f"ready={clients.ready}", f"stream={int(clients.is_stream)}", f"senders={clients.senders}"]
    for name in ("headers", "hellos", "sends"):
        records = getattr(clients, name)
        if records:
            words.append(f"{name}={write_blobs(folder, records)}")
    process = subprocess.Popen([*command, *words], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        made = Load(process, folder, count)
        if made.opened["ready"] != count:
            raise BenchError(f"only {made.opened['ready']} of {count} sockets opened")
        yield made
    finally:
        assert process.stdin
        process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
