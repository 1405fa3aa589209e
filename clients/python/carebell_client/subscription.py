"""One channel: its place in the log, whether it can be believed, and what the application has not read yet."""

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from carebell_client.changes import Change, ChannelState, Event, Position, Presence, Signal, Snapshot, StateChanged
from carebell_client.errors import Refused
from carebell_client.line import Frame

_GRACE_SECONDS: Final = 2.0
_UNREAD_LIMIT: Final = 10_000


class Subscription:
    """Iterate over it: snapshots, events in order and once each, signals, and changes of ``state``.

    The iteration raises ``Refused`` when the hub refuses the channel, and ``Stopped`` when the client has left for
    good. An application that leaves 10,000 changes unread gets a snapshot in their place.
    """

    def __init__(
        self,
        name: str,
        ask: Callable[["Subscription"], str | None],
        leave: Callable[["Subscription"], None],
        *,
        is_counted: bool = True,
    ) -> None:
        """Made by ``Carebell.subscribe``. ``ask`` sends ``subscribe`` and returns its id; None while disconnected."""
        self.name = name
        self.is_counted = is_counted
        self.state: ChannelState = "connecting"
        self.position: Position | None = None
        self.asking: str | None = None
        self._ask = ask
        self._leave = leave
        self._unread: deque[Change] = deque()
        self._news = asyncio.Event()
        self._end: Exception | None = None
        self._is_overfull = False
        self._grace: asyncio.TimerHandle | None = None
        self._present: Presence | None = None

    # --- for the application ---

    def __aiter__(self) -> Self:
        """Itself: one reader a subscription."""
        return self

    async def __anext__(self) -> Change:
        """The next change."""
        while not self._unread:
            if self._end is not None:
                raise self._end
            if self._is_overfull:
                self._is_overfull = False
                self.catch_up()
            self._news.clear()
            await self._news.wait()
        return self._unread.popleft()

    @property
    def present(self) -> Presence | None:
        """Who is there; None while nobody can say."""
        return self._present if self.state == "live" else None

    def close(self) -> None:
        """Follow the channel no longer."""
        self._leave(self)
        self.end(StopAsyncIteration())

    async def __aenter__(self) -> Self:
        """``async with`` closes it at the end."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    # --- for the client ---

    def subscribed(self, frame: Frame, *, trusted: bool) -> None:
        """The answer to ``subscribe``: a snapshot, or all that was missed. Never a part of it."""
        if frame.get("id") != self.asking:
            return
        self.asking = None
        there = Position(frame["epoch"], frame["seq"])
        if frame["mode"] == "snapshot":
            self.position, self._is_overfull = there, False
            self._put(Snapshot(there.seq, frame["state"]))
        for record in frame.get("events", ()):
            self._apply(record)
        if self.position is None or self.position.epoch != there.epoch or self.position.seq < there.seq:
            # It does not lead from where we are to where the hub says that we are: only a snapshot is certain.
            self.position = None
            self.catch_up()
            return
        self.settle(trusted=trusted)

    def event(self, frame: Frame) -> None:
        """The next one is applied, an older one dropped, a later one sends us back for what lies between."""
        if self.position is not None and frame["seq"] > self.position.seq + 1:
            self.catch_up()
        else:
            self._apply(frame)

    def conflated(self, frame: Frame) -> None:
        """We read slowly: the newest event of each thing stands for all between ``after`` and ``seq``."""
        if self.position is None or frame["seq"] <= self.position.seq:
            return
        if frame["after"] > self.position.seq:
            self.catch_up()
            return
        for record in frame["events"]:
            if self.position is not None and record["seq"] > self.position.seq:
                self._take(record)

    def signal(self, frame: Frame) -> None:
        """Worth something now or never."""
        if frame["name"] == "presence":
            ids = frame["data"].get("user_ids")
            self._present = Presence(None if ids is None else frozenset(ids), frame["data"].get("screens"))
            self._put(self._present)
        else:
            self._put(Signal(frame["name"], frame["data"]))

    def head(self, seq: int) -> None:
        """A heartbeat told how far the channel is."""
        if self.position is not None and seq > self.position.seq:
            self.catch_up()

    def catch_up(self) -> None:
        """Ask again from where we stand, unless that question is already under way."""
        if self.asking is None:
            self.doubt()
            self.ask()

    def ask(self) -> None:
        """Ask from where we stand. Nothing more is taken in before the application has read what it has."""
        if not self._is_overfull and self._end is None:
            self.asking = self._ask(self)

    def disconnected(self) -> None:
        """The socket is gone, and with it every answer that was under way."""
        self.asking = self._present = None
        self.doubt()

    def doubt(self) -> None:
        """What was yielded may be old. Two seconds of that are forgiven: a change of socket is no news."""
        if self.state == "live" and self._grace is None:
            self._grace = asyncio.get_running_loop().call_later(_GRACE_SECONDS, self.distrust)

    def distrust(self) -> None:
        """What was yielded is old, or might be: say so now."""
        self._stop_grace()
        if self.state == "live":
            self._turn("stale")

    def settle(self, *, trusted: bool) -> None:
        """In step with the log again, if the hub itself is."""
        if self.position is not None and self.asking is None:
            self._stop_grace()
            self._turn("live" if trusted else "stale")

    def refuse(self, refusal: Refused) -> None:
        """The hub will not have us here."""
        self._leave(self)
        self.end(refusal)

    def end(self, error: Exception) -> None:
        """Nothing more will come; what is unread can still be read."""
        self.distrust()
        self._end = self._end or error
        self._news.set()

    def _apply(self, frame: Frame) -> None:
        if self.position is not None and frame["seq"] == self.position.seq + 1:
            self._take(frame)

    def _take(self, frame: Frame) -> None:
        assert self.position is not None
        self.position = Position(self.position.epoch, frame["seq"])
        self._put(Event(frame["seq"], frame["name"], frame["at"], frame["data"]))

    def _put(self, change: Change) -> None:
        if self._end is not None:
            return
        if len(self._unread) >= _UNREAD_LIMIT:
            self._unread.clear()
            self._is_overfull = True
            self.position = None
            change = StateChanged("stale")
            self.state = "stale"
        self._unread.append(change)
        self._news.set()

    def _turn(self, state: ChannelState) -> None:
        if state != self.state:
            self.state = state
            self._put(StateChanged(state))

    def _stop_grace(self) -> None:
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
