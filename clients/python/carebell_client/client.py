"""One socket, many channels: reconnects, resumes, and says when what it told may no longer be so."""

import asyncio
import logging
import random as random_module
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Self, TypeAlias
from uuid import uuid4

from carebell_client.backoff import GOODBYE, UNAUTHENTICATED, pause_after
from carebell_client.commands import Commands, later
from carebell_client.errors import Refused, Stopped
from carebell_client.line import OPEN_SECONDS, Ending, Frame, Line, ending_of, open_line
from carebell_client.outbox import Draft, MemoryOutbox, Outbox
from carebell_client.postman import Ack, Outcome, Postman
from carebell_client.subscription import Subscription

log = logging.getLogger("carebell_client")

_HELLO: Final = "hello"
_NEWS: Final = {
    "event": Subscription.event,
    "conflated": Subscription.conflated,
    "signal": Subscription.signal,
}


Token: TypeAlias = Callable[[], Awaitable[str]]


class Carebell:
    """A connection that comes back by itself.

    Args:
        url: the socket, such as ``wss://carebell.example/api/v1/ws``.
        token: fetches a fresh access token; asked before each connection, and when the sign-in of a living one ends
            soon. Without it the client is a visitor, who may follow boards.
        outbox: where messages wait for their acknowledgement; in memory by default.
        on_outcome: hears what became of each draft, also of those that an earlier process left in the outbox.
        random: draws from [0, 1) for the delays.
    """

    def __init__(
        self,
        url: str,
        *,
        token: Token | None = None,
        outbox: Outbox | None = None,
        on_outcome: Callable[[Draft, Outcome], None] | None = None,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        """Connects in ``async with``."""
        self.outbox: Outbox = outbox if outbox is not None else MemoryOutbox()
        self._url = url
        self._token = token
        self._random = random
        self._subscriptions: dict[str, Subscription] = {}
        self._commands = Commands(self._repeat_all)
        self._postman = Postman(self._commands, self.outbox, on_outcome)
        self._reads: dict[str, int] = {}
        self._silence = OPEN_SECONDS
        self._is_degraded = False
        self._leave_at: float | None = None
        self._attempt = 0
        self._stopped: Stopped | None = None
        self._running: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start; the first connection is made in the background."""
        self._running = asyncio.create_task(self._run(), name="carebell")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave for good. What is not acknowledged stays in the outbox."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        self._stop(Stopped(1000, "closed"))

    # --- for the application ---

    @property
    def is_open(self) -> bool:
        """Whether there is a connection that has been signed in on."""
        return self._commands.is_open

    def subscribe(self, channel: str, *, is_counted: bool = True) -> Subscription:
        """Follow a channel; raises ``ValueError`` when this client follows it already.

        With ``is_counted=False`` it is not among those who are there: a program that listens is nobody.
        """
        if channel in self._subscriptions:
            raise ValueError(f"{channel} is followed already")
        subscription = Subscription(channel, self._ask, self._leave, is_counted=is_counted)
        if self._stopped is not None:
            subscription.end(self._stopped)
            return subscription
        self._subscriptions[channel] = subscription
        subscription.ask()
        return subscription

    async def send(self, channel: str, body: str, *, key: str | None = None) -> Ack:
        """Write to a thread, and wait until it is in the database, across as many connections as that takes.

        It is in the outbox before this waits for anything: who stops waiting does not take it back. Messages to one
        channel go out one after another. Raises ``Refused`` and ``Stopped``.
        """
        if self._stopped is not None:
            raise self._stopped
        return await asyncio.shield(self._postman.add(Draft(key or uuid4().hex, channel, body)))

    def read(self, channel: str, seq: int) -> None:
        """Everything up to ``seq`` was read. Only ever moves forward, and survives a lost connection."""
        if seq > self._reads.get(channel, 0):
            self._reads[channel] = seq
            self._commands.write({"type": "read", "channel": channel, "seq": seq})

    def typing(self, channel: str, *, on: bool) -> None:
        """Somebody types; worth nothing later, so it is not kept."""
        self._commands.write({"type": "typing", "channel": channel, "on": on})

    def authenticate(self, token: str) -> None:
        """Put a fresh token on the living socket. One that is refused costs the connection, and the next signs in."""

        def answered(answer: Frame) -> None:
            if answer["type"] == "error" and self._commands.line is not None:
                log.warning("the fresh token was refused: %s", answer["error_code"])
                self._commands.line.drop()

        self._commands.ask({"type": "auth", "token": token}, answered)

    # --- the connection ---

    async def _run(self) -> None:
        try:
            while True:
                ending = await self._converse()
                self._disconnected()
                may_sign_in = self._token is not None
                pause = pause_after(ending, self._attempt, may_sign_in=may_sign_in, random=self._random)
                if pause is None:
                    self._stop(Stopped(ending.code, ending.reason))
                    return
                self._attempt += 1
                log.info("disconnected (%s %s), back in %.1f s", ending.code, ending.reason, pause)
                await asyncio.sleep(pause)
        except Exception as error:
            # None of the network's: a wrong address, or a mistake of ours. Nobody must wait for what never comes.
            log.exception("the client cannot go on")
            self._stop(Stopped(1011, str(error)))
            raise

    async def _converse(self) -> Ending:
        """One connection, from sign-in to its end."""
        hello: Frame = {"type": "hello", "id": _HELLO}
        if self._token is not None:
            try:
                hello["token"] = await self._token()
            except Exception as error:  # noqa: BLE001 - whatever the application raises, all that helps is to ask again
                log.warning("no token to be had: %s", error)
                return Ending(1006, "no token to be had")
        self._silence, self._leave_at = OPEN_SECONDS, None
        try:
            async with open_line(self._url) as line:
                line.send(hello)
                return await self._listen(line)
        except Exception as error:  # noqa: BLE001 - raised again unless it is the network's
            return ending_of(error)

    async def _listen(self, line: Line) -> Ending:
        while True:
            left = None if self._leave_at is None else self._leave_at - time.monotonic()
            if left is not None and left <= 0:
                return Ending(GOODBYE, "goodbye", 0)
            frame = await line.receive(self._silence if left is None else min(left, self._silence))
            if isinstance(frame, Ending):
                if left is None:
                    return frame
                return Ending(GOODBYE, frame.reason, max(0.0, left))
            if frame.get("id") == _HELLO and frame["type"] == "error":
                return Ending(UNAUTHENTICATED, frame["detail"], frame.get("retry_after"))
            if frame["type"] == "welcome":
                self._welcome(line, frame["heartbeat_s"])
            else:
                self._receive(frame)

    def _receive(self, frame: Frame) -> None:
        subscription = self._subscriptions.get(frame.get("channel", ""))
        match frame["type"], subscription:
            case ("event" | "conflated" | "signal") as news, Subscription() as known:
                _NEWS[news](known, frame)
            case "subscribed", Subscription() as known:
                known.subscribed(frame, trusted=not self._is_degraded)
            case "resync", Subscription() as known:
                known.catch_up()
            case "ack" | "error", _:
                self._commands.answered(frame)
            case "heartbeat", _:
                self._heartbeat(frame["heads"])
            case ("degraded" | "recovered") as news, _:
                self._trust(trusted=news == "recovered")
            case "expiring", _:
                self._renew()
            case "goodbye", _:
                self._leave_at = time.monotonic() + frame["reconnect_after_ms"] / 1000
            # Anything else is of a later version of the protocol.

    def _welcome(self, line: Line, heartbeat_seconds: float) -> None:
        self._silence = 2 * heartbeat_seconds
        self._is_degraded = False
        self._commands.open(line)
        for subscription in self._subscriptions.values():
            subscription.ask()
        self._postman.flush()
        self._repeat_reads()

    def _heartbeat(self, heads: dict[str, int]) -> None:
        self._attempt = 0  # A connection that lives to its first heartbeat is a good one.
        for name, seq in heads.items():
            if name in self._subscriptions:
                self._subscriptions[name].head(seq)

    def _trust(self, *, trusted: bool) -> None:
        self._is_degraded = not trusted
        for subscription in self._subscriptions.values():
            if trusted:
                subscription.settle(trusted=True)
            else:
                subscription.distrust()

    def _renew(self) -> None:
        if self._token is not None and (self._renewing is None or self._renewing.done()):
            self._renewing = asyncio.create_task(self._fetch_and_authenticate(self._token), name="carebell-token")

    async def _fetch_and_authenticate(self, token: Token) -> None:
        try:
            self.authenticate(await token())
        except Exception as error:  # noqa: BLE001 - whatever the application raises; the hub closes in time, with 4203
            log.warning("no fresh token to be had: %s", error)

    def _disconnected(self) -> None:
        self._commands.close()
        self._postman.start_over()
        for subscription in self._subscriptions.values():
            subscription.disconnected()

    def _stop(self, stopped: Stopped) -> None:
        self._stopped = self._stopped or stopped
        self._disconnected()
        if self._renewing is not None:
            self._renewing.cancel()
        for subscription in list(self._subscriptions.values()):
            subscription.end(self._stopped)
        self._postman.stop(self._stopped)

    # --- questions ---

    def _ask(self, subscription: Subscription) -> str | None:
        if not self._commands.is_open:
            return None
        at = subscription.position
        position = {"epoch": at.epoch, "seq": at.seq} if at is not None else {}

        def answered(answer: Frame) -> None:
            if answer["type"] != "error" or subscription.asking != answer["id"]:
                return
            subscription.asking = None
            if "retry_after" in answer:
                subscription.doubt()
                later(answer["retry_after"], subscription.catch_up)
            else:
                subscription.refuse(Refused(answer["error_code"], answer["detail"]))

        counted = {} if subscription.is_counted else {"present": False}
        frame = {"type": "subscribe", "channel": subscription.name, **position, **counted}
        return self._commands.ask(frame, answered)

    def _leave(self, subscription: Subscription) -> None:
        if self._subscriptions.get(subscription.name) is subscription:
            del self._subscriptions[subscription.name]
            self._commands.ask({"type": "unsubscribe", "channel": subscription.name}, lambda _: None)

    def _repeat_all(self) -> None:
        """Ask once more for whatever has had no answer."""
        self._postman.start_over()
        self._postman.flush()
        for subscription in self._subscriptions.values():
            if subscription.asking is not None:
                subscription.ask()
        self._repeat_reads()

    def _repeat_reads(self) -> None:
        for channel, seq in self._reads.items():
            self._commands.write({"type": "read", "channel": channel, "seq": seq})
