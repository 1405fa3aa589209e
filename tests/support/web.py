"""Real web processes for tests, and sockets into them."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from core.settings import Settings

ROOT = Path(__file__).resolve().parent.parent.parent
WAIT_SECONDS = 60.0
"""Patience costs nothing while all is well, and a busy machine needs a lot to start a process."""


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment_of(settings: Settings, **changes: object) -> dict[str, str]:
    """The environment of a process of ours with those settings; ``changes`` by setting name."""
    wanted = settings.model_copy(update=changes)
    values: dict[str, str] = {}
    for name in wanted.model_fields_set:
        value = getattr(wanted, name)
        plain = value.get_secret_value() if hasattr(value, "get_secret_value") else value
        values[name.upper()] = plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**inherited, "PYTHONPATH": str(ROOT), **values}


class WebProcess:
    """``python -m ops web`` as a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, log: Path) -> None:
        """Made by ``web_process``."""
        self.process = process
        self.port = port
        self.log = log

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """SIGKILL: no goodbye, no flush."""
        self.process.send_signal(signal.SIGKILL)


@asynccontextmanager
async def web_process(settings: Settings, tmp_path: Path, **changes: object) -> AsyncIterator[WebProcess]:
    """A running, ready web process; ended at the end."""
    async with web_process_of("ops", settings, tmp_path, **changes) as web:
        yield web


@asynccontextmanager
async def web_process_of(
    program: str, settings: Settings, tmp_path: Path, /, **changes: object
) -> AsyncIterator[WebProcess]:
    """The same, where another module stands for ``ops``."""
    port = free_port()
    log = tmp_path / f"web-{uuid4().hex[:6]}.log"
    environment = environment_of(settings, **{"hub_drain_seconds": 0, **changes})
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", program, "web", "--port", str(port), env=environment, stderr=output, stdout=output,
            cwd=tmp_path,
        )  # fmt: skip
    web = WebProcess(process, port, log)
    try:
        async with httpx.AsyncClient(base_url=web.url) as client:
            await eventually(lambda: _is_serving(client, web))
        yield web
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 15)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _is_serving(client: httpx.AsyncClient, web: WebProcess) -> bool:
    if web.process.returncode is not None:
        raise AssertionError(f"the web process ended: {web.log.read_text()[-4000:]}")
    try:
        return (await client.get("/readyz")).status_code == 200
    except httpx.TransportError:
        return False


async def eventually(condition: Callable[[], Any], seconds: float = WAIT_SECONDS) -> None:
    """Wait until the condition (a function or coroutine function) holds; fails when it never does."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        outcome = condition()
        if asyncio.iscoroutine(outcome):
            outcome = await outcome
        if outcome:
            return
        assert asyncio.get_running_loop().time() < deadline, f"did not come true within {seconds} s"
        await asyncio.sleep(0.02)


class TestSocket:
    """A client that speaks frames and keeps all that it was sent."""

    __test__ = False

    def __init__(self, connection: ClientConnection) -> None:
        """Made by ``open_socket``."""
        self.connection = connection
        self.seen: list[dict[str, Any]] = []
        self._next = 0

    async def send(self, **frame: Any) -> None:
        """One frame."""
        await self.connection.send(msgspec.json.encode(frame).decode())

    async def receive(self) -> dict[str, Any]:
        """The next frame of any kind."""
        async with asyncio.timeout(WAIT_SECONDS):
            frame: dict[str, Any] = msgspec.json.decode(await self.connection.recv())
        self.seen.append(frame)
        return frame

    async def until(self, **fields: Any) -> dict[str, Any]:
        """The next frame with those fields; others are passed over and kept in ``seen``."""
        while True:
            frame = await self.receive()
            if all(frame.get(name) == value for name, value in fields.items()):
                return frame

    async def ask(self, **frame: Any) -> dict[str, Any]:
        """Send a command and wait for its one answer."""
        self._next += 1
        name = f"c{self._next}"
        await self.send(id=name, **frame)
        return await self.until(id=name)

    async def close_code(self) -> int:
        """Read on until the other side closes; its code."""
        try:
            while True:
                await self.receive()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006

    async def subscribe(self, channel: str, **position: Any) -> dict[str, Any]:
        """Follow a channel; the ``subscribed`` frame, or the ``error``."""
        return await self.ask(type="subscribe", channel=channel, **position)


@asynccontextmanager
async def open_socket(
    url: str, token: str | None = None, path: str = "/api/v1/ws", *, hello: bool = True
) -> AsyncIterator[TestSocket]:
    """A socket that has been welcomed."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    address = url.replace("http", "ws", 1) + path
    # No limit to what is unread: with one, a test that stops reading waits ten seconds for the end of the handshake.
    options: dict[str, Any] = {"compression": None, "max_size": 2**24, "max_queue": None}
    async with connect(address, additional_headers=headers, **options) as connection:
        made = TestSocket(connection)
        if hello and token is None:
            await made.send(type="hello")
        if hello:
            await made.until(type="welcome")
        yield made
