"""The waiting-room screen: live within a second, and never live when it is not."""

import random
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import expect

from core.settings import Settings
from tests.browser.conftest import OpenPage
from tests.browser.product import Desk, running_web
from tests.browser.product import WebProcess as Running
from tests.support.tcp_proxy import TcpProxy, tcp_proxy
from tests.support.web import WebProcess, eventually, web_process


async def test_a_call_by_rest_is_on_the_screen(open_page: OpenPage, desk: Desk) -> None:
    board = await open_page(desk.board, width=1920, height=1080)
    await expect(board.locator("body")).to_have_attribute("data-state", "live")
    await expect(board.locator("#clinic")).to_have_text(re.compile("Clinic"))
    await expect(board.locator("#nobody-waiting")).to_be_visible()
    first, second = await desk.add_ticket(), await desk.add_ticket()
    await expect(board.locator("#waiting li")).to_have_text([first, second])
    await desk.call_next()
    card = board.locator("#serving li")
    await expect(card.locator(".code")).to_have_text(first)
    size = await card.locator(".code").evaluate("(code) => parseFloat(getComputedStyle(code).fontSize)")
    assert size > 200, (
        "a single call fills the screen: read from five metres, 2 cm on a television of 1 m are not enough"
    )
    await expect(card.locator(".counter")).to_have_text("Desk 1")
    await expect(card).to_have_class(re.compile("fresh"))
    await expect(board.locator("#call-out")).to_have_text(f"{first}, please go to Desk 1.")
    await expect(board.locator("#waiting li")).to_have_text([second])
    await expect(board.locator("#band")).to_be_hidden()


async def test_a_completed_ticket_leaves_the_screen(open_page: OpenPage, desk: Desk) -> None:
    await desk.add_ticket()
    ticket = await desk.call_next()
    board = await open_page(desk.board)
    await expect(board.locator("#serving .code")).to_have_text(ticket["code"])
    await expect(board.locator("#serving li")).not_to_have_class(re.compile("fresh"))
    for status in ("serving", "completed"):
        await desk.change(ticket, status)
    await expect(board.locator("#serving li")).to_have_count(0)
    await expect(board.locator("#nobody")).to_be_visible()


async def test_no_board_is_said_plainly(open_page: OpenPage) -> None:
    board = await open_page("/board/01890000-0000-7000-8000-000000000000")
    await expect(board.locator("#band")).to_contain_text("This board cannot be shown")
    await expect(board.locator("body")).to_have_attribute("data-state", "stale")


async def test_says_stale_while_its_server_is_gone_and_catches_up_after(
    open_page: OpenPage, settings: Settings, desk: Desk, tmp_path: Path
) -> None:
    """The screen's own process is killed and comes back on the same port; another one takes the tickets meanwhile."""
    async with running_web(settings, tmp_path) as doomed:
        first = await desk.add_ticket()
        board = await open_page(f"{doomed.url}{desk.board}")
        await expect(board.locator("#waiting li")).to_have_text([first])
        await doomed.kill()
        await expect(board.locator("body")).to_have_attribute("data-state", "stale")
        await expect(board.locator("#band")).to_have_text(re.compile(r"^Not live since \d\d?:\d\d – please listen"))
        second = await desk.add_ticket()
        await doomed.start()
        await expect(board.locator("#waiting li")).to_have_text([first, second])
        await expect(board.locator("body")).to_have_attribute("data-state", "live")
        await expect(board.locator("#band")).to_be_hidden()


async def test_a_wall_shows_what_fits_and_says_how_many_more(open_page: OpenPage, desk: Desk) -> None:
    codes = [await desk.add_ticket() for _ in range(30)]
    board = await open_page(desk.board, width=1280, height=720)
    await expect(board.locator("#waiting-count")).to_have_text("30")
    shown = await board.locator("#waiting li:visible").all_inner_texts()
    assert shown == codes[: len(shown)]
    assert 0 < len(shown) < 30
    await expect(board.locator("#more")).to_have_text(f"and {30 - len(shown)} more")
    phone = await open_page(desk.board, width=390, height=844)
    await expect(phone.locator("#waiting li:visible")).to_have_text(codes)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_screen_that_followed_shows_the_same_as_one_that_was_just_switched_on(
    open_page: OpenPage, desk: Desk, seed: int
) -> None:
    """The line rule, to the pixels: stale state and events make the fresh snapshot."""
    chance = random.Random(seed)
    followed = await open_page(desk.board)
    await expect(followed.locator("body")).to_have_attribute("data-state", "live")
    called: list[dict[str, Any]] = []
    waiting = 0
    for _ in range(25):
        if called and chance.random() < 0.5:
            status = chance.choice(["serving", "waiting", "no_show"])
            await desk.change(called.pop(chance.randrange(len(called))), status)
            waiting += status == "waiting"
        elif waiting and chance.random() < 0.5:
            called.append(await desk.call_next())
            waiting -= 1
        else:
            await desk.add_ticket()
            waiting += 1
    last = await desk.add_ticket()
    await expect(followed.locator("#waiting")).to_contain_text(last)
    fresh = await open_page(desk.board)
    await expect(fresh.locator("#waiting")).to_contain_text(last)
    for part in ("#serving .code", "#serving .counter", "#waiting li", "#waiting-count"):
        assert await followed.locator(part).all_inner_texts() == await fresh.locator(part).all_inner_texts()


PATIENCE_MS = 20_000
"""A board waits three seconds for a socket before it does without."""


@dataclass(frozen=True)
class _Behind:
    """A board behind a proxy, and what its web process counts."""

    proxy: TcpProxy
    web: WebProcess

    async def stands_at(self, *, sockets: int, streams: int) -> None:
        """Wait until the process has so many open."""
        async with httpx.AsyncClient(base_url=self.web.url) as client:

            async def counts() -> bool:
                lines = (await client.get("/metrics")).text.splitlines()
                found = {
                    line.partition("{")[0]: float(line.split()[-1]) for line in lines if line.startswith("carebell_")
                }
                return (found["carebell_sockets"], found["carebell_event_streams"]) == (sockets, streams)

            await eventually(counts)


@pytest.fixture
async def behind(settings: Settings, product: Running, tmp_path: Path) -> AsyncIterator[_Behind]:
    """A network that lets HTTP through and no WebSocket."""
    async with (
        web_process(settings, tmp_path, metrics_public=True) as web,
        tcp_proxy("127.0.0.1", web.port) as proxy,
    ):
        proxy.forbidden = b"Upgrade: websocket"
        yield _Behind(proxy, web)


async def test_a_network_without_sockets_gets_the_board_all_the_same(
    open_page: OpenPage, desk: Desk, behind: _Behind
) -> None:
    """By Server-Sent Events; and by the socket again once the network lets it through."""
    first = await desk.add_ticket()
    board = await open_page(f"http://127.0.0.1:{behind.proxy.port}{desk.board}")
    await expect(board.locator("body")).to_have_attribute("data-state", "live", timeout=PATIENCE_MS)
    await expect(board.locator("#waiting li")).to_have_text([first], timeout=PATIENCE_MS)
    await behind.stands_at(sockets=0, streams=1)
    second = await desk.add_ticket()
    await expect(board.locator("#waiting li")).to_have_text([first, second], timeout=PATIENCE_MS)
    await desk.call_next()
    await expect(board.locator("#serving .code")).to_have_text(first)
    await expect(board.locator("#band")).to_be_hidden()
    behind.proxy.forbidden = None
    await behind.stands_at(sockets=1, streams=0)
    await expect(board.locator("body")).to_have_attribute("data-state", "live", timeout=PATIENCE_MS)
    third = await desk.add_ticket()
    await expect(board.locator("#waiting li")).to_have_text([second, third], timeout=PATIENCE_MS)
    # And a second time, from a board that was shown by a socket.
    behind.proxy.forbidden = b"Upgrade: websocket"
    await behind.proxy.cut()
    await behind.stands_at(sockets=0, streams=1)
    await expect(board.locator("body")).to_have_attribute("data-state", "live", timeout=PATIENCE_MS)
    fourth = await desk.add_ticket()
    await expect(board.locator("#waiting li")).to_have_text([second, third, fourth], timeout=PATIENCE_MS)


async def test_a_board_by_stream_says_stale_when_packets_vanish_and_catches_up(
    open_page: OpenPage, desk: Desk, behind: _Behind
) -> None:
    board = await open_page(f"http://127.0.0.1:{behind.proxy.port}{desk.board}")
    await expect(board.locator("body")).to_have_attribute("data-state", "live", timeout=PATIENCE_MS)
    await behind.stands_at(sockets=0, streams=1)
    behind.proxy.hold()
    await expect(board.locator("body")).to_have_attribute("data-state", "stale", timeout=PATIENCE_MS)
    await expect(board.locator("#band")).to_have_text(re.compile(r"^Not live since \d\d?:\d\d – please listen"))
    missed = await desk.add_ticket()
    behind.proxy.release()
    await behind.proxy.cut()
    await expect(board.locator("#waiting li")).to_have_text([missed], timeout=PATIENCE_MS)
    await expect(board.locator("body")).to_have_attribute("data-state", "live", timeout=PATIENCE_MS)
