"""The load generator of ``c/load.c`` in Python: same arguments, commands and answers."""

import asyncio
import json
import re
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

STAMP: Final = re.compile(rb"~t([0-9]{16})")
_KEY: Final = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"


def now_us() -> int:
    """The monotonic clock, as the C programs read it."""
    return time.monotonic_ns() // 1000


def filled(template: bytes, number: int) -> bytes:
    """With its time and number."""
    return template.replace(b"@" * 16, b"%016d" % now_us()).replace(b"#" * 8, b"%08d" % number)


def blobs(path: str | None) -> list[bytes]:
    """The records of a file, each with its length in front."""
    data, records = Path(path).read_bytes() if path else b"", []
    while data:
        (length,) = struct.unpack_from("<I", data)
        records.append(data[4 : 4 + length])
        data = data[4 + length :]
    return records


def part(values: list[float], share: float) -> float:
    """That percentile; 0 of nothing."""
    return sorted(values)[int(len(values) * share)] if values else 0.0


class Crowd:
    """All sockets, and what was delivered to them."""

    def __init__(self, options: dict[str, str]) -> None:
        """``options`` as on the command line."""
        self.options = options
        self.count = int(options["count"])
        self.blobs = {name: blobs(options.get(name)) for name in ("headers", "hellos", "sends")}
        self.senders = int(options.get("senders", 0))
        self.sockets: list[Socket] = []
        self.latencies: list[float] = []
        self.acks: list[float] = []
        self.openings: list[float] = []
        self.ready = self.lost = self.errors = self.resumed = self.sends_left = self.number = 0
        self.last_us = 0
        self.answers_with_send = False

    def forget(self) -> None:
        """Begin to count anew."""
        self.latencies, self.acks, self.errors, self.last_us = [], [], 0, 0

    async def open_all(self, at_once: int) -> dict[str, Any]:
        """Connect all; returns when each is ready or lost."""
        begin, self.ready, self.lost, self.resumed, self.openings = now_us(), 0, 0, 0, []
        gate = asyncio.Semaphore(at_once)
        self.sockets = [Socket(self, index) for index in range(self.count)]
        await asyncio.gather(*(self._open(socket, gate) for socket in self.sockets))
        return {
            "ready": self.ready, "lost": self.lost, "seconds": (now_us() - begin) / 1e6,
            "p50_ms": part(self.openings, 0.5), "p99_ms": part(self.openings, 0.99), "resumed_events": self.resumed,
            "retries": 0,
        }  # fmt: skip

    async def _open(self, socket: "Socket", gate: asyncio.Semaphore) -> None:
        async with gate:
            socket.asked_us = now_us()
            try:
                async with asyncio.timeout(60):
                    await asyncio.get_running_loop().create_connection(
                        lambda: socket, self.options.get("host", "127.0.0.1"), int(self.options["port"])
                    )
                    await socket.is_ready
            except (OSError, TimeoutError):
                self.lost += 1

    def send_next(self, socket: "Socket") -> None:
        """The next durable send, if one is left."""
        if self.sends_left and socket.index < self.senders:
            self.sends_left -= 1
            socket.asked_us = now_us()
            sends = self.blobs["sends"]
            socket.transport.write(filled(sends[socket.index % len(sends)], self.number))
            self.number += 1

    def answer(self, seconds: float, expected: int) -> dict[str, Any]:
        """What was delivered since ``forget``."""
        found = self.latencies
        return {
            "seconds": seconds, "expected": expected, "deliveries": len(found), "p50_ms": part(found, 0.5),
            "p99_ms": part(found, 0.99), "max_ms": max(found, default=0.0), "acks": len(self.acks),
            "ack_p50_ms": part(self.acks, 0.5), "ack_p99_ms": part(self.acks, 0.99), "errors": self.errors,
            "lost": self.lost, "sockets": self.ready,
        }  # fmt: skip


class Socket(asyncio.Protocol):
    """One connection."""

    transport: asyncio.Transport

    def __init__(self, crowd: Crowd, index: int) -> None:
        """Not connected yet."""
        self.crowd, self.index, self.asked_us = crowd, index, 0
        self.is_ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._data = b""
        self._is_upgraded = False
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        headers = self.crowd.blobs["headers"]
        extra = headers[self.index % len(headers)] if headers else b""
        head = f"GET {self.crowd.options.get('path', '/')} HTTP/1.1\r\nHost: 127.0.0.1:{self.crowd.options['port']}\r\n"
        transport.write(head.encode() + b"Upgrade: websocket\r\nConnection: Upgrade\r\n" + _KEY + extra + b"\r\n")

    def data_received(self, data: bytes) -> None:
        """The answer to the handshake, then frames."""
        self._data += data
        if not self._is_upgraded:
            head, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head[:16]:
                self._fail(head[:200])
                return
            self._is_upgraded, self._data = True, rest
            hellos = self.crowd.blobs["hellos"]
            if hellos:
                self.transport.write(hellos[self.index % len(hellos)])
            if not self.crowd.options.get("ready"):
                self._become_ready()
        for opcode, payload in self._frames():
            self._take(opcode, payload)

    def _frames(self) -> Iterator[tuple[int, bytes]]:
        while len(self._data) >= 2:
            size, head = self._data[1] & 0x7F, 2
            if size >= 126:
                head = 4 if size == 126 else 10
                if len(self._data) < head:
                    return
                size = int.from_bytes(self._data[2:head])
            if len(self._data) < head + size:
                return
            opcode, payload = self._data[0] & 0x0F, self._data[head : head + size]
            self._data = self._data[head + size :]
            yield opcode, payload

    def _take(self, opcode: int, payload: bytes) -> None:
        crowd = self.crowd
        if opcode == 8:
            self._fail(payload[2:])
        elif opcode == 9:
            self.transport.write(b"\x8a\x80\0\0\0\0")
        elif not self.is_ready.done():
            if crowd.options["ready"].encode("utf-8", "surrogateescape") in payload:
                crowd.resumed += payload.count(b'"name":"ticket.')
                self._become_ready()
        elif payload == b"2":
            self.transport.write(b"\x81\x81\0\0\0\x003")
        elif payload.startswith(b'{"type":"ack"'):
            crowd.acks.append((now_us() - self.asked_us) / 1000)
            if crowd.answers_with_send:
                crowd.send_next(self)
        elif payload.startswith(b'{"type":"error"'):
            crowd.errors += 1
        else:
            self._deliver(payload)

    def _deliver(self, payload: bytes) -> None:
        joined, at, end = self._tail + payload, now_us(), 0
        for found in STAMP.finditer(joined):
            self.crowd.latencies.append((at - int(found[1])) / 1000)
            self.crowd.last_us, end = at, found.end()
        # A mark may lie across two frames where messages are a stream.
        self._tail = joined[max(end, len(joined) - 17) :] if self.crowd.options.get("stream") == "1" else b""

    def _become_ready(self) -> None:
        self.crowd.ready += 1
        self.crowd.openings.append((now_us() - self.asked_us) / 1000)
        self.is_ready.set_result(None)

    def _fail(self, why: bytes) -> None:
        if not self.is_ready.done():
            self.is_ready.set_exception(OSError(why.decode(errors="replace")))
        self.transport.abort()


async def publish(crowd: Crowd, words: list[str]) -> dict[str, Any]:
    """As the command of that name: HOST PORT FILE FIRST COUNT RATE EXPECTED GRACE."""
    sign_in, message = blobs(words[2])
    first, count, rate = int(words[3]), int(words[4]), float(words[5])
    expected, grace = int(words[6]), float(words[7])
    reader, writer = await asyncio.open_connection(words[0], int(words[1]))
    writer.write(sign_in)
    await asyncio.sleep(0.05)
    crowd.forget()
    begin = now_us()
    for number in range(count):
        if rate:
            await asyncio.sleep(max(0.0, begin / 1e6 + number / rate - now_us() / 1e6))
        writer.write(filled(message, first + number))
        await writer.drain()
    answers = asyncio.create_task(reader.read())
    quiet_since = now_us()
    while expected and len(crowd.latencies) < expected:
        await asyncio.sleep(0.01)
        quiet_since = max(quiet_since, crowd.last_us)
        if now_us() - quiet_since > grace * 1e6:
            break
    answers.cancel()
    writer.close()
    return crowd.answer(((crowd.last_us or now_us()) - begin) / 1e6, expected)


async def send(crowd: Crowd, words: list[str]) -> dict[str, Any]:
    """As the command of that name: COUNT RATE EXPECTED GRACE."""
    count, rate, expected, grace = int(words[0]), float(words[1]), int(words[2]), float(words[3])
    crowd.forget()
    crowd.sends_left, crowd.answers_with_send = count, not rate
    begin = quiet_since = now_us()
    if not rate:
        for socket in crowd.sockets[: crowd.senders]:
            crowd.send_next(socket)
    seen = sent = 0
    while len(crowd.acks) < count or len(crowd.latencies) < expected:
        while rate and crowd.sends_left and begin + sent * 1e6 / rate <= now_us():
            crowd.send_next(crowd.sockets[sent % crowd.senders])
            sent += 1
        await asyncio.sleep(0.001)
        if len(crowd.acks) + len(crowd.latencies) != seen:
            seen, quiet_since = len(crowd.acks) + len(crowd.latencies), now_us()
        if now_us() - quiet_since > grace * 1e6:
            break
    return crowd.answer((now_us() - begin) / 1e6, expected)


async def main(arguments: list[str]) -> None:
    """Obey until standard input ends."""
    crowd = Crowd(dict(word.split("=", 1) for word in arguments))
    say(await crowd.open_all(int(crowd.options.get("at_once", 256))))
    while line := await asyncio.to_thread(sys.stdin.readline):
        command, *words = line.split()
        if command == "publish":
            say(await publish(crowd, words))
        elif command == "send":
            say(await send(crowd, words))
        elif command == "drop":
            for socket in crowd.sockets:
                socket.transport.abort()
            say({"dropped": crowd.count})
        elif command == "return":
            say(await crowd.open_all(crowd.count))
        else:
            return


def say(answer: dict[str, Any]) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
