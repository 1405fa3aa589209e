"""A real uvicorn server with the socket protocol, in a thread, with an application that echoes."""

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from queue import Queue
from typing import Any

import uvicorn

from hub.application import Answer, Socket
from hub.handshake import HandshakeRequest, Rejection
from hub.transport import SocketProtocol
from tests.hub.raw_client import PATIENCE, RawClient


class Echo:
    """Answers every message with itself; a few words make it do something else."""

    def __init__(self, application: "EchoApplication") -> None:
        """The queues may be read from any thread."""
        self.application = application
        self.congested: Queue[int] = Queue()
        self.drained_at: Queue[int] = Queue()
        self.measured: Queue[int] = Queue()
        self.closes: Queue[int] = Queue()
        self.idled = 0
        self.socket: Socket

    def opened(self, socket: Socket) -> None:
        """Remember the socket."""
        self.socket = socket
        self.application.opened.put(self)

    def text(self, payload: bytes) -> None:
        """Echo, or do as told."""
        match payload.split():
            case [b"fail", secret]:
                raise ValueError(secret)
            case [b"close", code]:
                self.socket.close(int(code), "as told, " * 50)
                self.socket.send(b"never seen")
            case [b"flood", size, times]:
                for turn in range(int(times)):
                    self.socket.send(b"%08d" % turn + b"x" * (int(size) - 8))
            case [b"measure"]:
                self.measured.put(self.socket.queued)
            case _:
                self.socket.send(payload)

    def idle(self) -> None:
        """Count it."""
        self.idled += 1

    def backpressure(self, bytes_queued: int) -> None:
        """Note it."""
        self.congested.put(bytes_queued)

    def drained(self) -> None:
        """Note it."""
        self.drained_at.put(self.socket.queued)

    def closed(self, code: int) -> None:
        """Note it."""
        self.closes.put(code)


class EchoApplication:
    """Accepts by path: /echo at once, /later after a wait, and the refusals that tests need."""

    def __init__(self) -> None:
        """Nothing has happened yet."""
        self.requests: Queue[HandshakeRequest] = Queue()
        self.opened: Queue[Echo] = Queue()
        self.cancelled: Queue[str] = Queue()
        self.gate = asyncio.Event()

    def accept(self, request: HandshakeRequest) -> Answer | Awaitable[Answer]:
        """Decide by path."""
        self.requests.put(request)
        match request.path:
            case "/echo":
                return Echo(self)
            case "/later":
                return self._later(Echo(self))
            case "/later/no":
                return self._later(Rejection(401, "AUTHENTICATION", "Sign in to continue."))
            case "/later/fail":
                return self._fail()
            case "/fail":
                raise ValueError("s3cret")
            case "/busy":
                return Rejection(429, "TOO_MANY_CONNECTIONS", "Close others first.", retry_after=7)
            case _:
                return Rejection(404, "RESOURCE_NOT_FOUND", "There is no socket at this address.")

    async def _later(self, answer: Answer) -> Answer:
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.put("later")
            raise
        return answer

    async def _fail(self) -> Answer:
        await asyncio.sleep(0)
        raise ValueError("s3cret")


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.loop = asyncio.get_running_loop()
        self.is_up.set()


class EchoClient(RawClient):
    """A raw client after its handshake, with the handler that the server has for it."""

    handler: Echo

    def told(self) -> int:
        """The code that the application heard, once."""
        code = self.handler.closes.get(timeout=PATIENCE)
        assert self.handler.closes.empty()
        return code


class Running:
    """A server in a thread of its own."""

    def __init__(self, loop: str, ws: type[SocketProtocol], **options: Any) -> None:
        """``loop`` is uvloop or asyncio."""
        self.application = EchoApplication()
        options.setdefault("ws_max_size", 65_536)
        config = uvicorn.Config(
            self._asgi,
            host="127.0.0.1",
            port=0,
            ws=ws,
            loop=loop,
            lifespan="on",
            interface="asgi3",
            log_config=None,
            **options,
        )
        self.server = _Server(config)
        self.thread = threading.Thread(target=self.server.run, name=f"server on {loop}")
        self.thread.start()
        assert self.server.is_up.wait(PATIENCE)
        self.port: int = self.server.servers[0].sockets[0].getsockname()[1]
        self.loop = self.server.loop

    async def _asgi(self, scope: Any, receive: Any, send: Any) -> None:
        """Plain HTTP still goes to the ASGI application."""
        if scope["type"] == "lifespan":
            scope["state"]["hub"] = self.application
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
            await send({"type": "http.response.body", "body": b"http"})

    def stop(self) -> None:
        """As a signal would, and wait for the end."""
        self.server.should_exit = True
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()

    def await_no_connections(self) -> None:
        """Until the server holds no connection any more."""
        until = time.monotonic() + PATIENCE
        while self.server.server_state.connections:
            assert time.monotonic() < until
            time.sleep(0.005)

    def connect(self, path: str = "/echo", **headers: str) -> EchoClient:
        """Connect and shake hands."""
        client = EchoClient(self.port)
        head = client.request(path, **headers)
        assert head.startswith(b"HTTP/1.1 101 "), head
        client.handler = self.application.opened.get(timeout=PATIENCE)
        return client


@contextmanager
def serving(loop: str, ws: type[SocketProtocol] = SocketProtocol, **options: Any) -> Iterator[Running]:
    """Run a server on a free port; stop it at the end."""
    running = Running(loop, ws, **options)
    try:
        yield running
    finally:
        running.stop()
