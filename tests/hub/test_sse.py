"""Boards as Server-Sent Events: the same line as on a socket, resumed by Last-Event-ID."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from core.runtime import Runtime
from core.settings import Settings
from core.streams import Position
from hub.sse import Screen, position_of
from hub.wire import text_frame, text_payload
from tests.builders import create_clinic, take_ticket
from tests.support.web import WebProcess, web_process


class Stream:
    """Reads one response, event by event."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def next(self, *, skip: tuple[str, ...] = ("welcome", "heartbeat")) -> dict[str, Any]:
        """The next event that is not to be skipped: its fields, ``data`` decoded."""
        while True:
            fields: dict[str, Any] = {}
            async for line in self._lines:
                if not line:
                    break
                name, _, value = line.partition(": ")
                fields[name] = value
            assert fields, "the stream has ended"
            fields["data"] = msgspec.json.decode(fields["data"])
            if fields["event"] not in skip:
                return fields


@pytest.fixture(scope="module")
async def web(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WebProcess]:
    async with web_process(settings, tmp_path_factory.mktemp("web"), hub_heartbeat_seconds=0.2) as running:
        yield running


@asynccontextmanager
async def streaming(web: WebProcess, queue_id: object, last: str | None = None) -> AsyncIterator[Stream]:
    headers = {"Last-Event-ID": last} if last else {}
    path = f"/api/v1/queues/{queue_id}/board/events"
    async with (
        httpx.AsyncClient(base_url=web.url) as client,
        client.stream("GET", path, headers=headers) as response,
    ):
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Stream(response)


async def test_a_snapshot_then_events_then_a_resume(runtime: Runtime, web: WebProcess) -> None:
    clinic = await create_clinic(runtime)
    await take_ticket(runtime, clinic.queue_id)
    async with streaming(web, clinic.queue_id) as stream:
        snapshot = await stream.next()
        assert snapshot["event"] == "snapshot"
        assert [ticket["code"] for ticket in snapshot["data"]["tickets"]] == ["A-001"]
        assert snapshot["id"].endswith(":1")
        await take_ticket(runtime, clinic.queue_id)
        event = await stream.next()
        assert (event["event"], event["data"]["ticket"]["code"]) == ("ticket.upserted", "A-002")
        assert event["id"].endswith(":2")
    for _ in range(2):
        await take_ticket(runtime, clinic.queue_id)
    async with streaming(web, clinic.queue_id, last=event["id"]) as stream:
        missed = [await stream.next() for _ in range(3)]
    assert [entry["event"] for entry in missed] == ["ticket.upserted", "ticket.upserted", "live"]
    assert [entry["id"].rpartition(":")[2] for entry in missed] == ["3", "4", "4"]


async def test_a_quiet_board_beats(runtime: Runtime, web: WebProcess) -> None:
    clinic = await create_clinic(runtime)
    async with streaming(web, clinic.queue_id) as stream:
        await stream.next()
        beat = await stream.next(skip=("welcome",))
    assert beat["event"] == "heartbeat"
    assert beat["data"] == {f"board:{clinic.queue_id}": 0}


async def test_no_such_board_is_404(web: WebProcess) -> None:
    async with httpx.AsyncClient(base_url=web.url) as client:
        missing = await client.get("/api/v1/queues/00000000-0000-7000-8000-000000000000/board/events")
    assert missing.status_code == 404
    assert missing.json()["error_code"] == "RESOURCE_NOT_FOUND"


async def test_a_process_that_ends_ends_its_streams(runtime: Runtime, settings: Settings, tmp_path: Path) -> None:
    clinic = await create_clinic(runtime)
    async with web_process(settings, tmp_path) as web, streaming(web, clinic.queue_id) as stream:
        await stream.next()
        web.process.terminate()
        with pytest.raises(AssertionError, match="ended"):
            await stream.next()
        assert await web.process.wait() in {0, -15}


@pytest.mark.parametrize("text", [None, "", "abc", "abc:", ":4", "abc:-1", "abc:4x", "abc:" + "9" * 40])
def test_what_is_no_position_brings_a_snapshot(text: str | None) -> None:
    assert position_of(text) is None


def test_a_position_is_read_as_it_was_written() -> None:
    assert position_of("9f2c:17") == Position("9f2c", 17)


def test_a_screen_that_falls_behind_is_ended() -> None:
    screen = Screen()
    for _ in range(5000):
        screen.send_frame(text_frame(b"{}"))
    frames = [screen.frames.get_nowait() for _ in range(screen.frames.qsize())]
    assert len(frames) < 5000
    assert frames.index(b"") == len(frames) - 1


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 100_000])
def test_a_frame_gives_back_its_payload(size: int) -> None:
    assert text_payload(text_frame(b"x" * size)) == b"x" * size
