"""The Python client against the real server, through a proxy that breaks connections."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from carebell_client import (
    Ack,
    Carebell,
    Draft,
    Event,
    FileOutbox,
    Outcome,
    Position,
    Refused,
    Snapshot,
    StateChanged,
    Stopped,
    Subscription,
)
from carebell_client import client as client_module
from core.runtime import Runtime
from core.settings import Settings
from tests.builders import take_ticket
from tests.clients.scenarios import (
    FAULTS,
    ClientUnderTest,
    Fault,
    Picture,
    is_forgiven_haste,
    is_found_out,
    renews_in_place,
    says_when_the_hub_is_degraded,
    survives,
)
from tests.clients.world import world
from tests.line.fold_board import fold
from tests.line.fold_thread import fold_thread
from tests.support.web import ROOT, eventually


class PythonClient:
    """Folds what its subscriptions yield."""

    def __init__(self, client: Carebell, asked: list[str]) -> None:
        self._client = client
        self._asked = asked
        self._pictures: dict[str, Picture] = {}
        self._readers: list[asyncio.Task[None]] = []

    async def follow(self, channel: str) -> None:
        subscription = self._client.subscribe(channel)
        self._readers.append(asyncio.create_task(self._read(subscription)))

    async def _read(self, subscription: Subscription) -> None:
        folding: Any = fold_thread if subscription.name.startswith("thread:") else fold
        status, seq, seqs = "connecting", 0, list[int]()
        state: dict[str, Any] = {}
        async for change in subscription:
            match change:
                case Snapshot():
                    state, seq, seqs = change.state, change.seq, []
                case Event():
                    state, seq = folding(state, change.name, change.data), change.seq
                    seqs = [*seqs, seq]
                case StateChanged():
                    status = change.state
            self._pictures[subscription.name] = Picture(status, seq, state, seqs)

    async def send(self, channel: str, body: str) -> int:
        return (await self._client.send(channel, body)).seq

    async def picture(self, channel: str) -> Picture | None:
        return self._pictures.get(channel)

    async def tokens_asked(self) -> int:
        return len(self._asked)

    async def close(self) -> None:
        """A reader that failed fails the test."""
        for reader in self._readers:
            if reader.done():
                await reader
            reader.cancel()


@asynccontextmanager
async def make(url: str, tokens: list[str]) -> AsyncIterator[ClientUnderTest]:
    asked: list[str] = []

    async def token() -> str:
        asked.append(tokens[min(len(asked), len(tokens) - 1)])
        return asked[-1]

    async with Carebell(url, token=token) as client:
        made = PythonClient(client, asked)
        yield made
        await made.close()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_nothing_is_lost_and_nothing_twice(
    runtime: Runtime, settings: Settings, tmp_path: Path, fault: Fault
) -> None:
    async with world(runtime, settings, tmp_path, hub_max_commands_per_second=1000) as here:
        await survives(make, here, fault)


async def test_without_healing_the_same_test_fails(
    runtime: Runtime, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This client believes every answer and every event, and fills nothing in."""
    believe = Subscription.subscribed

    def subscribed(self: Subscription, frame: dict[str, Any], *, trusted: bool) -> None:
        if self.position is not None and frame["mode"] != "snapshot":
            self.position = Position(frame["epoch"], frame["seq"])
            frame = {**frame, "events": []}
        believe(self, frame, trusted=trusted)

    monkeypatch.setattr(Subscription, "subscribed", subscribed)
    monkeypatch.setattr(Subscription, "head", lambda _, __: None)
    monkeypatch.setitem(client_module._NEWS, "event", Subscription._take)
    async with world(runtime, settings, tmp_path, hub_max_commands_per_second=1000) as here:
        await is_found_out(make, here)


async def test_a_sign_in_is_renewed_on_the_living_socket(runtime: Runtime, settings: Settings, tmp_path: Path) -> None:
    async with world(runtime, settings, tmp_path) as here:
        await renews_in_place(make, here)


async def test_what_is_shown_is_stale_while_the_hub_is_degraded(
    runtime: Runtime, settings: Settings, tmp_path: Path
) -> None:
    await says_when_the_hub_is_degraded(make, runtime, settings, tmp_path)


async def test_haste_is_forgiven(runtime: Runtime, settings: Settings, tmp_path: Path) -> None:
    async with world(runtime, settings, tmp_path, hub_max_commands_per_second=8) as here:
        await is_forgiven_haste(make, here)


async def test_a_draft_outlives_the_process_that_wrote_it(runtime: Runtime, settings: Settings, tmp_path: Path) -> None:
    """Written while nothing can be reached, or while the acknowledgement is lost: sent once by whoever comes next."""
    outcomes: list[tuple[Draft, Outcome]] = []

    def told(draft: Draft, outcome: Outcome) -> None:
        outcomes.append((draft, outcome))

    async with world(runtime, settings, tmp_path) as here:

        async def token() -> str:
            return here.patient.access_token

        here.proxy.hold()
        first = FileOutbox(tmp_path / "outbox")
        async with Carebell(here.url, token=token, outbox=first) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await client.send(here.thread, "one", key="k-one")
        first.close()
        here.proxy.release()
        await here.proxy.cut()
        second = FileOutbox(tmp_path / "outbox")
        assert [draft.key for draft in second.drafts()] == ["k-one"]
        async with Carebell(
            here.url, token=token, outbox=second, on_outcome=lambda *heard: outcomes.append(heard)
        ) as client:
            await client.send(here.thread, "two", key="k-two")
            # What was acknowledged once is acknowledged again with the same result, and not written twice.
            assert (await client.send(here.thread, "one", key="k-one")).seq == 1
        second.close()
        assert await here.stored() == [(1, "one"), (2, "two")]
    assert FileOutbox(tmp_path / "outbox").drafts() == []
    assert [(draft.key, type(outcome)) for draft, outcome in outcomes][:2] == [("k-one", Ack), ("k-two", Ack)]


async def test_what_is_refused_says_so(runtime: Runtime, settings: Settings, tmp_path: Path) -> None:
    async with world(runtime, settings, tmp_path) as here, Carebell(here.url) as visitor:
        with pytest.raises(Refused) as refusal:
            await visitor.send(here.thread, "let me in")
        assert refusal.value.error_code == "AUTHENTICATION"
        assert visitor.outbox.drafts() == []
        with pytest.raises(Refused):
            await anext(visitor.subscribe(f"board:{uuid4()}"))
        board = visitor.subscribe(here.board)
        assert isinstance(await anext(board), Snapshot)
        with pytest.raises(ValueError, match="already"):
            visitor.subscribe(here.board)
        board.close()
        assert [change async for change in board if not isinstance(change, StateChanged)] == []


async def test_a_sign_in_that_is_not_valid_ends_the_client(
    runtime: Runtime, settings: Settings, tmp_path: Path
) -> None:
    tokens: list[str] = []

    async def token() -> str:
        tokens.append("nonsense")
        return "nonsense"

    async with (
        world(runtime, settings, tmp_path) as here,
        Carebell(here.url, token=token, random=lambda: 0.0) as client,
    ):
        with pytest.raises(Stopped) as stopped:
            await anext(client.subscribe(here.thread))
        assert stopped.value.code == 4001
        assert 1 < len(tokens) <= 4
        with pytest.raises(Stopped):
            await client.send(here.thread, "too late")
        await eventually(lambda: not client.is_open)


async def test_the_example_prints_a_board(runtime: Runtime, settings: Settings, tmp_path: Path) -> None:
    async with world(runtime, settings, tmp_path) as here:
        example = await asyncio.create_subprocess_exec(
            *(sys.executable, ROOT / "clients/python/example.py", here.url, str(here.queue_id)),
            env={"PYTHONPATH": str(ROOT / "clients/python"), "PYTHONUNBUFFERED": "1"},
            stdout=asyncio.subprocess.PIPE,
        )
        assert example.stdout is not None
        try:
            async with asyncio.timeout(30):
                assert await example.stdout.readline() == b"the whole board:\n"
                assert await example.stdout.readline() == b"-- live --\n"
                await take_ticket(runtime, here.queue_id)
                assert await example.stdout.readline() == b"A-001 waiting \n"
        finally:
            example.kill()
            await example.wait()
