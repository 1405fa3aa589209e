"""Many lean clients in one program: each follows one channel by the rules of docs/protocol.md and comes back by itself.

A ``Follower`` costs a task and a stream, so that a thousand of them leave the machine to the servers under test.
"""

import asyncio
import base64
import random
import resource
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, NamedTuple

import msgspec

from tests.line.fold_board import fold as fold_board
from tests.line.fold_thread import fold_thread

_TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA
_FOLDS: Final[dict[str, Callable[[dict[str, Any], str, dict[str, Any]], dict[str, Any]]]] = {
    "board": fold_board,
    "thread": fold_thread,
}


class Ending(NamedTuple):
    """How a socket ended: was ``goodbye`` said before, and the close code (None for a loss)."""

    was_told: bool
    code: int | None


def masked(opcode: int, payload: bytes) -> bytes:
    """A client's frame under the mask of zeros, which leaves the payload as it is."""
    size = len(payload)
    if size < 126:
        return bytes([0x80 | opcode, 0x80 | size]) + bytes(4) + payload
    return bytes([0x80 | opcode, 0xFE]) + size.to_bytes(2) + bytes(4) + payload


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Opcode and payload of the next frame of a server, which never masks and never fragments."""
    first, size = await reader.readexactly(2)
    if size == 126:
        size = int.from_bytes(await reader.readexactly(2))
    elif size == 127:
        size = int.from_bytes(await reader.readexactly(8))
    return first & 0x0F, await reader.readexactly(size)


class Follower:
    """A client of one channel: dedupes by sequence, asks again where there is a gap, and resumes after a loss."""

    def __init__(self, ports: list[int], channel: str, token: str | None, window: int | None) -> None:
        """``ports`` are the nodes, tried one after the other; the list may change while this runs.

        ``window`` is the size of the receive buffer in bytes, for a client that is to feel full soon.
        """
        self.channel = channel
        self.epoch: str | None = None
        self.seq = 0
        self.state: dict[str, Any] = {}
        self.modes: list[str] = []
        self.kinds: Counter[str] = Counter()
        self.endings: list[Ending] = []
        self.signals: list[dict[str, Any]] = []
        self.spared = 0
        """Events of a board that it did not get because a later one told all."""
        self.refusals = 0
        """Handshakes that were not answered with a socket."""
        self.is_shaking_hands = False
        self.is_reading = asyncio.Event()
        """Cleared: it reads nothing from its socket."""
        self.is_reading.set()
        self.messages: list[tuple[int, str]] = []
        """Place and key of each message of a thread, in the order in which this client applied them."""
        self.acknowledged: dict[str, int] = {}
        self.failures: Counter[str] = Counter()
        """Sends that were not acknowledged at once, by error code, ``LOST`` or ``TIMEOUT``."""
        self.port: int | None = None
        """The node at which it stands, once it is subscribed."""
        self._ports = ports
        self._turn = 0
        self._fold = _FOLDS[channel.partition(":")[0]]
        self._token = token
        self._window = window
        self._writer: asyncio.StreamWriter | None = None
        self._is_open = asyncio.Event()
        self._is_asking = False
        self._was_told = False
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}

    async def run(self) -> None:
        """Be connected, for ever."""
        while True:
            port = self._ports[self._turn % len(self._ports)]
            with suppress(OSError, EOFError):
                await self._live(port)
            self._turn += 1
            await asyncio.sleep(random.uniform(0.02, 0.5))

    async def say(self, key: str, body: str, patience: float = 5.0) -> int:
        """Send until it is acknowledged, under the same key over all faults. Returns its place."""
        while True:
            answer = await self._ask(key, body, patience)
            if answer.get("type") == "ack":
                self.acknowledged[key] = answer["seq"]
                return self.acknowledged[key]
            self.failures[answer["error_code"]] += 1
            await asyncio.sleep(0.05)

    async def _ask(self, key: str, body: str, patience: float) -> dict[str, Any]:
        await self._is_open.wait()
        answer = self._answers[key] = asyncio.get_running_loop().create_future()
        self.write(type="send", id=key, channel=self.channel, key=key, body=body)
        try:
            async with asyncio.timeout(patience):
                answered: dict[str, Any] = await answer
                return answered
        except TimeoutError:
            return {"error_code": "TIMEOUT"}
        finally:
            self._answers.pop(key, None)

    async def _live(self, port: int) -> None:
        reader, writer = await self._connect(port)
        try:
            if not await self._shake_hands(reader, writer):
                self.refusals += 1
                return
            self._writer, self._was_told, self._is_asking = writer, False, False
            if self._token is None:
                self.write(type="hello")
            self._subscribe()
            self._is_open.set()
            await self._read(reader, port)
        finally:
            self._writer = self.port = None
            self._is_open.clear()
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_result({"error_code": "LOST"})
            writer.close()

    async def _connect(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._window is None:
            return await asyncio.open_connection("127.0.0.1", port)
        connection = socket.socket()
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._window)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        return await asyncio.open_connection(sock=connection, limit=self._window)

    async def _shake_hands(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        key = base64.b64encode(random.randbytes(16)).decode()
        bearer = f"Authorization: Bearer {self._token}\r\n" if self._token else ""
        writer.write(
            f"GET /api/v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{bearer}"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self.is_shaking_hands = True
        head = await reader.readuntil(b"\r\n\r\n")
        self.is_shaking_hands = False
        return head.startswith(b"HTTP/1.1 101 ")

    async def _read(self, reader: asyncio.StreamReader, port: int) -> None:
        code: int | None = None
        while code is None:
            try:
                await self.is_reading.wait()
                opcode, payload = await read_frame(reader)
            except (OSError, EOFError):
                break
            else:
                if opcode == _TEXT:
                    self._take(msgspec.json.decode(payload), port)
                elif opcode == _PING:
                    self._frame(_PONG, payload)
                elif opcode == _CLOSE:
                    code = int.from_bytes(payload[:2])
                    self._frame(_CLOSE, payload[:2])
        self.endings.append(Ending(self._was_told, code))

    def write(self, **frame: Any) -> None:
        """Send a frame; nothing happens while there is no socket."""
        self._frame(_TEXT, msgspec.json.encode(frame))

    def _frame(self, opcode: int, payload: bytes) -> None:
        if self._writer is not None:
            self._writer.write(masked(opcode, payload))

    def _subscribe(self) -> None:
        if self._is_asking:
            return
        self._is_asking = True
        position = {} if self.epoch is None else {"epoch": self.epoch, "seq": self.seq}
        self.write(type="subscribe", id="subscribe", channel=self.channel, **position)

    def _ask_again(self) -> None:
        self._is_asking = False
        if self._writer is not None:
            self._subscribe()

    def _take(self, frame: dict[str, Any], port: int) -> None:
        self.kinds[frame["type"]] += 1
        match frame["type"]:
            case "subscribed":
                self._place(frame)
                self.port, self._is_asking = port, False
            case "event" | "conflated":
                (self._conflated if "events" in frame else self._event)(frame)
            case "resync" | "heartbeat":
                if "heads" not in frame or frame["heads"].get(self.channel, 0) > self.seq:
                    self._subscribe()
            case "signal":
                self.signals.append(frame)
            case "goodbye":
                self._was_told = True
            case "error" if frame.get("id") == "subscribe":
                asyncio.get_running_loop().call_later(0.2, self._ask_again)
            case "ack" | "error":
                answer = self._answers.get(frame.get("id", ""))
                if answer is not None and not answer.done():
                    answer.set_result(frame)

    def _place(self, frame: dict[str, Any]) -> None:
        self.modes.append(frame["mode"])
        if frame["mode"] == "snapshot":
            self.state, self.seq = frame["state"], frame["seq"]
            self.messages = [(message["seq"], message["key"]) for message in self.state.get("messages", ())]
        for event in frame.get("events", ()):
            assert event["seq"] == self.seq + 1, "a resume is whole or not at all"
            self._apply(event)
        self.epoch = frame["epoch"]
        assert self.seq == frame["seq"], "every answer carries the position at which it leaves the client"

    def _event(self, event: dict[str, Any]) -> None:
        if self._is_asking or event["seq"] <= self.seq:
            return
        if event["seq"] == self.seq + 1:
            self._apply(event)
        else:
            self._subscribe()

    def _conflated(self, frame: dict[str, Any]) -> None:
        if self._is_asking or frame["seq"] <= self.seq:
            return
        if frame["after"] > self.seq:
            self._subscribe()
            return
        for event in frame["events"]:
            if event["seq"] > self.seq:
                self._apply(event)
        self.spared += frame["seq"] - frame["after"] - len(frame["events"])
        assert self.seq == frame["seq"], "the last event is where the client then stands"

    def _apply(self, event: dict[str, Any]) -> None:
        self.seq = event["seq"]
        self.state = self._fold(self.state, event["name"], event["data"])
        if event["name"] == "message.sent":
            message = event["data"]["message"]
            self.messages.append((message["seq"], message["key"]))


class Fleet:
    """All followers of a test."""

    def __init__(self, ports: list[int]) -> None:
        """``ports`` of the nodes; change the list to send those that reconnect elsewhere."""
        self.ports = ports
        self.followers: list[Follower] = []
        self._tasks: list[asyncio.Task[None]] = []

    def follow(self, channel: str, token: str | None = None, *, window: int | None = None) -> Follower:
        """One more client, which connects at once."""
        follower = Follower(self.ports, channel, token, window)
        self.followers.append(follower)
        self._tasks.append(asyncio.create_task(follower.run()))
        return follower

    def standing_at(self, port: int) -> int:
        """How many are subscribed at that node. Raises what broke a client."""
        for task in self._tasks:
            if task.done():
                task.result()
        return sum(follower.port == port for follower in self.followers)

    async def leave(self) -> None:
        """End every client."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def fleet(*ports: int) -> AsyncIterator[Fleet]:
    """A fleet in front of those nodes; gone at the end."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    made = Fleet(list(ports))
    try:
        yield made
    finally:
        await made.leave()
