"""A TCP proxy that misbehaves on command: between a process of ours and Redis, Postgres or the hub."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal

Direction = Literal["to_client", "to_server"]


class TcpProxy:
    """Forwards to ``host:port`` until told otherwise."""

    def __init__(self, host: str, port: int) -> None:
        """The real server."""
        self._upstream = (host, port)
        self._server: asyncio.Server | None = None
        self._pairs: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._fuses: dict[Direction, int] = {}
        self.change_of_answers: Callable[[bytes], bytes] | None = None
        """What becomes of each piece that the server sends."""
        self.forbidden: bytes | None = None
        """A connection on which a client sends this is ended: the network does not let it through."""
        self.connections = 0
        self.port = 0

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def hold(self) -> None:
        """Packets vanish: connections stay open, nothing passes in either direction."""
        self._flowing.clear()

    def release(self) -> None:
        """What was held passes on."""
        self._flowing.set()

    def strand(self) -> None:
        """Packets of the connections that are open now vanish for good; new connections are served."""
        self._flowing.clear()
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def cut(self) -> None:
        """End every connection at once; new ones are served."""
        for pair in list(self._pairs):
            pair.cancel()
        await asyncio.gather(*self._pairs, return_exceptions=True)

    def cut_after(self, direction: Direction, count: int) -> None:
        """End the connection on which the next so many bytes have gone that way, wherever in a frame that is."""
        self._fuses[direction] = count

    @property
    def is_armed(self) -> bool:
        """Whether a cut is still to come."""
        return bool(self._fuses)

    def lead_to(self, port: int) -> None:
        """New connections go to that port of the same host."""
        self._upstream = (self._upstream[0], port)

    async def close(self) -> None:
        """Stop listening and end every connection."""
        if self._server is not None:
            self._server.close()
        await self.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pairs.add(task)
        self.connections += 1
        flowing = self._flowing
        try:
            there_reader, there_writer = await asyncio.open_connection(*self._upstream)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pump(reader, there_writer, "to_server", flowing))
                    group.create_task(self._pump(there_reader, writer, "to_client", flowing))
            finally:
                there_writer.close()
        except (OSError, asyncio.CancelledError, ExceptionGroup):
            # Whatever ends one side ends the other: that is what a broken path looks like.
            return
        finally:
            self._pairs.discard(task)
            with contextlib.suppress(OSError):
                writer.close()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, direction: Direction, flowing: asyncio.Event
    ) -> None:
        while chunk := await self._read(source, flowing):
            if direction == "to_server" and self.forbidden is not None and self.forbidden in chunk:
                break
            if direction == "to_client" and self.change_of_answers is not None:
                chunk = self.change_of_answers(chunk)
            passing = self._fuses.get(direction, len(chunk) + 1)
            sink.write(chunk[:passing])
            await sink.drain()
            if passing <= len(chunk):
                self._fuses.pop(direction, None)
                break
            if direction in self._fuses:
                self._fuses[direction] -= len(chunk)
        sink.close()
        raise ConnectionResetError

    @staticmethod
    async def _read(source: asyncio.StreamReader, flowing: asyncio.Event) -> bytes:
        """The next piece, nothing at the end; neither passes while packets vanish."""
        try:
            chunk = await source.read(65_536)
        except OSError:
            chunk = b""
        await flowing.wait()
        return chunk


@asynccontextmanager
async def tcp_proxy(host: str, port: int) -> AsyncIterator[TcpProxy]:
    """A running proxy."""
    proxy = TcpProxy(host, port)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.close()
