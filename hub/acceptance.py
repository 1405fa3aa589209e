"""From the request head to a socket or a refusal."""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from functools import partial
from inspect import isawaitable

from uvicorn.protocols.utils import get_remote_addr, is_ssl

from hub.application import Answer, SocketApplication, SocketHandler
from hub.handshake import (
    FAILED,
    GOING_AWAY,
    NOT_SERVED,
    UNAVAILABLE,
    Rejection,
    Upgrade,
    describe,
    read_head,
    refusal,
)
from hub.socket_server import SocketServer

log = logging.getLogger(__name__)
access_log = logging.getLogger("uvicorn.access")

Opened = Callable[[SocketHandler, tuple[str, int], bytes], None]


class Acceptance:
    """Asks the application about one connection, and does what it says. Lives until that is decided."""

    __slots__ = ("_address", "_is_paused", "_opened", "_seconds", "_server", "_task", "_transport")

    def __init__(self, server: SocketServer, transport: asyncio.Transport, seconds: float, opened: Opened) -> None:
        """``opened`` is called with the handler, the client's address and the 101 to send; ``seconds`` is the time
        that an awaited answer may take."""
        self._server = server
        self._transport = transport
        self._seconds = seconds
        self._opened = opened
        self._address = get_remote_addr(transport) or ("", 0)
        self._task: asyncio.Task[None] | None = None
        self._is_paused = False

    def begin(self, head: bytes, application: SocketApplication | None) -> None:
        """Read the request and ask, when it is this one's turn. Without an application nothing is served."""
        if not self._server.admission.admit(partial(self._begin, head, application)):
            # Who does not wait for its answer fills its own buffers and not ours.
            self._transport.pause_reading()
            self._is_paused = True

    def _begin(self, head: bytes, application: SocketApplication | None) -> None:
        if self._transport.is_closing():
            return
        if self._is_paused:
            self._transport.resume_reading()
        upgrade = read_head(head)
        if isinstance(upgrade, Rejection):
            self._refuse(upgrade)
        elif upgrade.invalid:
            self._decide(upgrade, upgrade.invalid)
        elif application is None:
            self._decide(upgrade, NOT_SERVED)
        else:
            self._ask(upgrade, application)

    def cancel(self) -> None:
        """The connection or the server ends: refuse, where somebody can still hear it."""
        if self._task:
            self._task.cancel()
        self._refuse(GOING_AWAY)

    def _ask(self, upgrade: Upgrade, application: SocketApplication) -> None:
        config, secure = self._server.config, is_ssl(self._transport)
        request = describe(upgrade.request, config, self._address, secure=secure)
        self._address = request.address
        try:
            answer = application.accept(request)
        except Exception as error:  # noqa: BLE001 - whatever the application does, the process lives
            log_failure("accept", error)
            answer = FAILED
        if isawaitable(answer):
            # Paused, so that a client which does not wait for its answer fills its own buffers and not ours.
            self._transport.pause_reading()
            self._task = self._server.loop.create_task(self._wait(upgrade, answer))
            self._server.tasks.add(self._task)
            self._task.add_done_callback(self._server.tasks.discard)
        else:
            self._decide(upgrade, answer)

    async def _wait(self, upgrade: Upgrade, awaitable: Awaitable[Answer]) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                answer = await awaitable
        except TimeoutError:
            answer = UNAVAILABLE
        except Exception as error:  # noqa: BLE001 - whatever the application does, the process lives
            log_failure("accept", error)
            answer = FAILED
        if not self._transport.is_closing():
            self._transport.resume_reading()
            self._decide(upgrade, answer)

    def _decide(self, upgrade: Upgrade, answer: Answer) -> None:
        if isinstance(answer, Rejection):
            self._log(upgrade, answer.status)
            self._refuse(answer)
        else:
            self._log(upgrade, upgrade.response.status_code)
            self._opened(answer, self._address, upgrade.response.serialize())

    def _refuse(self, rejection: Rejection) -> None:
        if not self._transport.is_closing():
            self._transport.write(refusal(rejection))
            self._transport.close()

    def _log(self, upgrade: Upgrade, status: int) -> None:
        """As uvicorn logs a request, but without the query, which may hold a token."""
        if self._server.config.access_log:
            client = "{}:{}".format(*self._address)
            access_log.info('%s - "%s %s HTTP/%s" %d', client, "GET", upgrade.target, "1.1", status)


def log_failure(step: str, error: Exception) -> None:
    """Where it failed and how, but never the words of the error, which may be a patient's."""
    trace = "".join(traceback.format_tb(error.__traceback__))
    log.error("socket_application_failed step=%s fault=%s\n%s", step, type(error).__qualname__, trace)
