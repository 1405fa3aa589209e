"""The page behind the link of a ticket: for whoever holds it, without signing in."""

from playwright.async_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.product import Desk


async def test_says_how_many_are_before_and_then_where_to_go(open_page: OpenPage, desk: Desk) -> None:
    await desk.add_ticket()
    answer = await desk.api.post("/queue/tickets", json={"queue_id": str(desk.clinic.queue_id)})
    ticket = answer.raise_for_status().json()
    page = await open_page(f"/ticket/{ticket['link']}", width=390, height=844)
    await expect(page.locator("#code")).to_have_text(ticket["code"])
    await expect(page.locator("#headline")).to_have_text("1 before you")
    await desk.call_next()
    await desk.call_next()
    await expect(page.locator("#headline")).to_have_text("Please come to Desk 1")


async def test_is_stale_while_nothing_can_be_heard(open_page: OpenPage, desk: Desk) -> None:
    answer = await desk.api.post("/queue/tickets", json={"queue_id": str(desk.clinic.queue_id)})
    page = await open_page(f"/ticket/{answer.raise_for_status().json()['link']}")
    await expect(page.locator("#headline")).to_have_text("You are next")
    await page.context.set_offline(True)
    await expect(page.locator("#band")).to_contain_text("Not live since")
    await page.context.set_offline(False)
    await expect(page.locator("#band")).to_be_hidden()


async def test_a_link_of_no_ticket_is_said_plainly(open_page: OpenPage) -> None:
    page = await open_page("/ticket/nothing-of-that-name")
    await expect(page.locator("#headline")).to_have_text("This link is not valid, or no longer.")
