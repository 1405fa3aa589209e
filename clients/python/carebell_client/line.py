"""One WebSocket: frames out through a queue, frames in until it closes or falls silent."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

Frame: TypeAlias = dict[str, Any]

OPEN_SECONDS: Final = 10.0
_ABNORMAL: Final = 1006
_AS_CLOSE_CODE: Final = {401: 4001, 403: 4003, 404: 4003, 429: 4102, 503: 4103}
_BROKEN: Final = (OSError, TimeoutError, WebSocketException)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a connection ended; ``delay`` is how long the hub asked us to stay away, in seconds."""

    code: int
    reason: str
    delay: float | None = None


class Line:
    """A living connection."""

    def __init__(self, socket: ClientConnection) -> None:
        """Made by ``open_line``."""
        self._socket = socket
        self._outgoing: asyncio.Queue[Frame] = asyncio.Queue()

    def send(self, frame: Frame) -> None:
        """Queue one frame."""
        self._outgoing.put_nowait(frame)

    def drop(self) -> None:
        """Give the connection up without a word: whoever reads it finds it broken."""
        self._socket.transport.abort()

    async def receive(self, seconds: float) -> Frame | Ending:
        """The next frame, or how the connection ended; silence for so long is an end, whatever TCP believes."""
        try:
            async with asyncio.timeout(seconds):
                frame: Frame = json.loads(await self._socket.recv())
        except TimeoutError:
            self.drop()
            return Ending(_ABNORMAL, "no sign of life")
        except ConnectionClosed as closed:
            return ending_of(closed)
        return frame

    async def write_all(self) -> None:
        """Send what is queued, until the connection breaks."""
        try:
            while True:
                await self._socket.send(json.dumps(await self._outgoing.get()))
        except ConnectionClosed:
            # Whoever reads learns it too, and says how it ended.
            return


@asynccontextmanager
async def open_line(url: str) -> AsyncIterator[Line]:
    """Connect. Raises ``OSError``, ``TimeoutError`` or ``WebSocketException``; ``ending_of`` understands them."""
    async with connect(
        url,
        subprotocols=[Subprotocol("carebell.v1")],
        compression=None,
        ping_interval=None,  # the hub's heartbeats say more
        open_timeout=OPEN_SECONDS,
        close_timeout=1,
        max_size=None,
    ) as socket:
        line = Line(socket)
        writer = asyncio.create_task(line.write_all(), name="carebell-writer")
        try:
            yield line
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)


def ending_of(error: Exception) -> Ending:
    """How a connection ended that broke or never came to be. Raises errors that are none of the network's."""
    match error:
        case ConnectionClosed(rcvd=None):
            return Ending(_ABNORMAL, "the connection broke")
        case ConnectionClosed(rcvd=close) if close is not None:
            return Ending(close.code, close.reason)
        case InvalidStatus(response=response):
            asked = response.headers.get("Retry-After", "")
            code = _AS_CLOSE_CODE.get(response.status_code, _ABNORMAL)
            return Ending(code, f"HTTP {response.status_code}", float(asked) if asked.isdigit() else None)
        case _ if isinstance(error, _BROKEN):
            return Ending(_ABNORMAL, str(error) or type(error).__name__)
    raise error
