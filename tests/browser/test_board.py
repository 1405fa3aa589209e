"""The waiting-room screen: live within a second, and never live when it is not."""

import random
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from core.settings import Settings
from tests.browser.conftest import OpenPage
from tests.browser.product import Desk, running_web


async def test_a_call_by_rest_is_on_the_screen_within_a_second(open_page: OpenPage, desk: Desk) -> None:
    board = await open_page(desk.board, width=1920, height=1080)
    await expect(board.locator("body")).to_have_attribute("data-state", "live")
    await expect(board.locator("#clinic")).to_have_text(re.compile("Clinic"))
    await expect(board.locator("#nobody-waiting")).to_be_visible()
    first, second = await desk.add_ticket(), await desk.add_ticket()
    await expect(board.locator("#waiting li")).to_have_text([first, second])
    await desk.call_next()
    card = board.locator("#serving li")
    await expect(card.locator(".code")).to_have_text(first, timeout=1000)
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
        await expect(board.locator("#waiting li")).to_have_text([first, second], timeout=20_000)
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
