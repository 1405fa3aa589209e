"""The queue desk, and the way in."""

import time

from playwright.async_api import Page, Route, expect

from tests.browser.conftest import OpenPage
from tests.browser.product import Desk, WebProcess
from tests.people import PASSWORD


async def test_signs_in_by_the_form_and_arrives_where_it_wanted(open_page: OpenPage, desk: Desk) -> None:
    page = await open_page("/staff")
    await page.wait_for_url("**/sign-in?next=*")
    await page.get_by_label("E-mail").fill(desk.staff.email)
    await page.get_by_label("Password").fill("not the password")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.locator("#refusal")).not_to_be_empty()
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/staff")
    await expect(page.locator("#queue option:checked")).to_have_text("General")
    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url("**/sign-in")


async def test_never_leaves_the_site_after_sign_in(open_page: OpenPage, product: WebProcess, desk: Desk) -> None:
    page = await open_page("/sign-in?next=//example.org/staff")
    await page.get_by_label("E-mail").fill(desk.staff.email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(lambda url: "sign-in" not in url)
    assert page.url == f"{product.url}/staff"


async def press(page: Page, name: str) -> None:
    """Press the first button of that name."""
    await page.get_by_role("button", name=name, exact=True).first.click()


async def test_a_patient_from_ticket_to_done(open_page: OpenPage, desk: Desk) -> None:
    page = await open_page("/staff", desk.staff)
    await expect(page.locator("#connection")).to_have_text("Live")
    await expect(page.locator("#next")).to_be_disabled()
    await press(page, "Add a ticket")
    await page.get_by_label("Priority").select_option("2")
    await press(page, "Add")
    await expect(page.locator("#waiting li")).to_contain_text("priority")
    code = await page.locator("#waiting .code").inner_text()
    await page.locator("#next").click()
    card = page.locator("#mine li")
    await expect(card.locator(".code")).to_have_text(code)
    await press(page, "Recall")
    await expect(card).to_contain_text("recalled 1×")
    await press(page, "Serve")
    await expect(card).to_contain_text("being served")
    await press(page, "Hold")
    await expect(page.locator("#elsewhere li")).to_contain_text("on hold")
    await press(page, "Call")
    await press(page, "Serve")
    await press(page, "Complete")
    await expect(page.locator("#nobody")).to_be_visible()
    await expect(page.locator("#waiting li")).to_have_count(0)


async def test_cancelling_asks_first(open_page: OpenPage, desk: Desk) -> None:
    await desk.add_ticket()
    page = await open_page("/staff", desk.staff)
    await press(page, "Cancel")
    await press(page, "No, keep it")
    await expect(page.locator("#waiting li")).to_have_count(1)
    await press(page, "Cancel")
    await press(page, "Yes")
    await expect(page.locator("#waiting li")).to_have_count(0)


async def test_what_another_desk_does_is_seen_and_a_refusal_is_said_in_words(open_page: OpenPage, desk: Desk) -> None:
    page = await open_page("/staff", desk.staff)
    code = await desk.add_ticket()
    await expect(page.locator("#waiting .code")).to_have_text(code)

    async def be_faster(route: Route) -> None:
        """Another desk calls and serves before this one's click arrives."""
        await desk.change(await desk.call_next(), "serving")
        await route.continue_()

    await page.route("**/queue/*/status", be_faster, times=1)
    await press(page, "Cancel")
    await press(page, "Yes")
    await expect(page.locator("#toasts p").first).not_to_be_empty()
    await expect(page.locator("#mine li")).to_contain_text("being served")


async def test_a_busy_board_is_not_asked_for_at_each_of_its_changes(open_page: OpenPage, desk: Desk) -> None:
    """A user has a hundred requests a minute: what the board says is shown at once, and names are fetched in turns."""
    page = await open_page("/staff", desk.staff)
    await expect(page.locator("#connection")).to_have_text("Live")
    asked_at: list[float] = []
    page.on("request", lambda sent: asked_at.append(time.monotonic()) if "/queue/current" in sent.url else None)
    begin = time.monotonic()
    codes = [await desk.add_ticket() for _ in range(20)]
    for _ in range(10):
        await desk.change(await desk.call_next(), "serving")
    await expect(page.locator("#mine li")).to_have_count(10)
    await expect(page.locator("#waiting .code")).to_have_text(codes[10:])
    # Forty changes. One look at once, then one in three seconds at most, however long this took.
    assert 1 <= len(asked_at) <= 2 + (time.monotonic() - begin) / 3


async def test_the_desk_says_on_how_many_screens_its_board_is(open_page: OpenPage, desk: Desk) -> None:
    page = await open_page("/staff", desk.staff)
    await expect(page.locator("#shown")).to_have_text("On no screen")
    first = await open_page(desk.board)
    await expect(page.locator("#shown")).to_have_text("On 1 screen")
    await open_page(desk.board, desk.staff)
    await expect(page.locator("#shown")).to_have_text("On 2 screens")
    await first.close()
    await expect(page.locator("#shown")).to_have_text("On 1 screen", timeout=15_000)
