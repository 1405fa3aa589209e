"""Takes drafts from the outbox to the hub: one at a time for each channel, again after every reconnect."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from carebell_client.commands import Commands, later
from carebell_client.errors import Refused
from carebell_client.line import Frame
from carebell_client.outbox import Draft, Outbox


@dataclass(frozen=True, slots=True)
class Ack:
    """The message is in the database: ``seq`` is its place in the thread's log, ``message`` how it was stored."""

    seq: int
    message: Any


Outcome: TypeAlias = Ack | Refused


class Postman:
    """Order is kept within a channel, whatever is refused or lost, because only the oldest draft is under way."""

    def __init__(self, commands: Commands, outbox: Outbox, on_outcome: Callable[[Draft, Outcome], None] | None) -> None:
        """``on_outcome`` hears what became of each draft."""
        self._commands = commands
        self._outbox = outbox
        self._on_outcome = on_outcome
        self._results: dict[str, asyncio.Future[Ack]] = {}
        self._under_way: dict[str, str] = {}

    def add(self, draft: Draft) -> asyncio.Future[Ack]:
        """Keep the draft, send it when its turn comes; the future is its acknowledgement."""
        self._outbox.add(draft)
        result = self._results.setdefault(draft.key, asyncio.get_running_loop().create_future())
        self.flush()
        return result

    def flush(self) -> None:
        """Send the oldest draft of each channel; its acknowledgement sends the next."""
        if self._commands.is_open:
            for draft in self._outbox.drafts():
                if draft.channel not in self._under_way:
                    self._post(draft)

    def start_over(self) -> None:
        """What was under way is lost, or was refused without a name: it is sent again by the next ``flush``."""
        self._under_way.clear()

    def stop(self, error: Exception) -> None:
        """Nothing more will be sent. The drafts stay in the outbox."""
        for result in self._results.values():
            _fail(result, error)
        self._results.clear()

    def _post(self, draft: Draft) -> None:
        def answered(answer: Frame) -> None:
            if self._under_way.get(draft.channel) != answer["id"]:
                return
            if answer["type"] == "error" and "retry_after" in answer:
                later(answer["retry_after"], lambda: self._post_again(draft, answer["id"]))
                return
            del self._under_way[draft.channel]
            self._settle(draft, answer)
            self.flush()

        frame = {"type": "send", "channel": draft.channel, "key": draft.key, "body": draft.body}
        self._under_way[draft.channel] = self._commands.ask(frame, answered)

    def _post_again(self, draft: Draft, name: str) -> None:
        if self._under_way.get(draft.channel) == name:
            self._post(draft)

    def _settle(self, draft: Draft, answer: Frame) -> None:
        self._outbox.remove(draft.key)
        result = self._results.pop(draft.key, None)
        outcome: Outcome
        if answer["type"] == "ack":
            outcome = Ack(answer["seq"], answer["message"])
            if result is not None:
                result.set_result(outcome)
        else:
            outcome = Refused(answer["error_code"], answer["detail"])
            if result is not None:
                _fail(result, outcome)
        if self._on_outcome is not None:
            self._on_outcome(draft, outcome)


def _fail(result: asyncio.Future[Ack], error: Exception) -> None:
    """Tell whoever waits; nobody has to."""
    result.set_exception(error)
    result.exception()
