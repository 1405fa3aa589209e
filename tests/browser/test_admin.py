"""The administrators' page: nodes with their figures, and somebody sent off."""

import re

import pytest
from playwright.async_api import expect

from core.actor import Role
from core.runtime import Runtime
from tests.browser.conftest import OpenPage
from tests.browser.product import Desk, WebProcess
from tests.people import Person, create_person


@pytest.fixture
async def admin(runtime: Runtime) -> Person:
    """An administrator."""
    return await create_person(runtime, Role.ADMIN)


async def test_shows_the_node_and_what_it_does(
    open_page: OpenPage, product: WebProcess, admin: Person, desk: Desk
) -> None:
    board = await open_page(desk.board)
    await expect(board.locator("body")).to_have_attribute("data-state", "live")
    page = await open_page("/admin", admin)
    await expect(page.locator("#connection")).to_have_text("Live")
    row = page.locator("#nodes tr", has_text=f":{product.pid}")
    await expect(page.locator("#bell-panel")).to_be_hidden()
    await expect(row).to_contain_text("Connected")
    # Two sockets: the board's, and that of the bell on this page. A report may be five seconds old.
    await expect(row.locator("td").nth(3)).to_have_text("2")
    await expect(row.locator("td").nth(5)).to_have_text("1")
    await expect(page.locator("#figures li")).to_have_count(6)
    await desk.add_ticket()
    await expect(row.locator("td").nth(7)).not_to_have_text("0")


async def test_sends_somebody_off_after_asking(open_page: OpenPage, admin: Person, patient: Person) -> None:
    theirs = await open_page("/chat", patient)
    await expect(theirs.locator("#connection")).to_have_text("Live")
    page = await open_page("/admin", admin)
    await page.get_by_label("Name or e-mail").fill(patient.email)
    await page.get_by_role("button", name="Find").click()
    await expect(page.locator("#people li")).to_contain_text(f"{patient.email} · patient")
    await page.get_by_role("button", name="Disconnect").click()
    await page.get_by_role("button", name="No", exact=True).click()
    await page.get_by_role("button", name="Disconnect").click()
    await page.get_by_role("button", name="Yes", exact=True).click()
    await expect(page.locator("#toasts p")).to_have_text("Ada was disconnected.")
    await theirs.wait_for_url(re.compile("/sign-in"))


async def test_is_for_administrators_only(open_page: OpenPage, desk: Desk) -> None:
    page = await open_page("/admin", desk.staff)
    await expect(page.locator("#not-here")).to_be_visible()
    await expect(page.locator("#page")).to_be_hidden()
    await expect(page.get_by_role("link", name="Nodes")).to_have_count(0)


async def test_lists_the_boards_that_are_on_screens(open_page: OpenPage, admin: Person, desk: Desk) -> None:
    board = await open_page(desk.board)
    await expect(board.locator("body")).to_have_attribute("data-state", "live")
    page = await open_page("/admin", admin)
    await expect(page.locator("#boards tr").filter(has_text="General").first).to_contain_text("1", timeout=20_000)
