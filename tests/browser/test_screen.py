"""A screen without a board: paired by its code, live with a key of its own, and taken down."""

import re

from playwright.async_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.product import Desk

CODE = re.compile("^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$")

# A screen asks every three seconds whether it was confirmed.


async def connect(staff: Page, code: str, name: str) -> None:
    """At the desk: enter the code that a screen shows."""
    await staff.get_by_role("button", name="Connect a screen").click()
    await staff.get_by_label("Code that the screen shows").fill(code)
    await staff.get_by_label("Name of the screen").fill(name)
    await staff.get_by_role("button", name="Connect", exact=True).click()


async def test_a_screen_from_pairing_to_being_taken_down(open_page: OpenPage, desk: Desk) -> None:
    screen = await open_page("/screen", width=1920, height=1080)
    await expect(screen.locator("#pairing-code")).to_have_text(CODE)
    await expect(screen.locator("#serving")).to_be_hidden()
    code = await screen.locator("#pairing-code").inner_text()
    staff = await open_page("/staff", desk.staff)
    await expect(staff.locator("#no-screens")).to_be_visible()
    await connect(staff, code.lower().replace("-", " "), "Left wall")
    await expect(staff.locator("#screens li")).to_contain_text("Left wall")
    await expect(staff.locator("#screens li")).to_contain_text("General")
    await expect(screen.locator("body")).to_have_attribute("data-state", "live")
    await expect(screen.locator("#pairing")).to_be_hidden()
    called = await desk.add_ticket()
    await desk.call_next()
    await expect(screen.locator("#serving .code")).to_have_text(called)
    await screen.reload()
    await expect(screen.locator("#serving .code")).to_have_text(called)
    await staff.get_by_role("button", name="Take down").click()
    await staff.get_by_role("button", name="Yes").click()
    await expect(staff.locator("#no-screens")).to_be_visible()
    await expect(screen.locator("#why")).to_contain_text("was taken down")
    await expect(screen.locator("#serving")).to_be_hidden()
    await expect(screen.locator("#pairing-code")).to_have_text(CODE)
    assert await screen.evaluate("localStorage.getItem('carebell.screen')") is None
    again = await screen.locator("#pairing-code").inner_text()
    assert again != code
    await connect(staff, again, "Right wall")
    await expect(screen.locator("#serving .code")).to_have_text(called)


async def test_a_screen_that_was_taken_down_while_it_was_off_says_so(open_page: OpenPage, desk: Desk) -> None:
    screen = await open_page("/screen")
    await expect(screen.locator("#pairing-code")).to_have_text(CODE)
    staff = await open_page("/staff", desk.staff)
    await connect(staff, await screen.locator("#pairing-code").inner_text(), "Left wall")
    await expect(screen.locator("body")).to_have_attribute("data-state", "live")
    await screen.goto("about:blank")
    await staff.get_by_role("button", name="Take down").click()
    await staff.get_by_role("button", name="Yes").click()
    await expect(staff.locator("#no-screens")).to_be_visible()
    await screen.goto("/screen")
    await expect(screen.locator("#why")).to_contain_text("was taken down")
    await expect(screen.locator("#pairing-code")).to_have_text(CODE)


async def test_a_code_that_no_screen_shows_is_refused_in_words(open_page: OpenPage, desk: Desk) -> None:
    staff = await open_page("/staff", desk.staff)
    await expect(staff.locator("#no-screens")).to_be_visible()
    await connect(staff, "BBBB-BBBB", "Left wall")
    await expect(staff.locator("#screen [role=alert]")).to_have_text("No screen shows this code now.")
    await staff.get_by_role("button", name="Cancel", exact=True).click()
    await expect(staff.locator("#screen")).to_be_hidden()
