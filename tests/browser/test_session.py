"""A browser's session, with real cookies: from signing in to signing out, in every tab."""

import asyncio
from datetime import timedelta
from typing import Final

import httpx
import pytest
from playwright.async_api import BrowserContext, Page, Route, expect

from core.clock import now
from core.settings import Settings
from domain.identity.rules import write_access_token
from hub.close_codes import CloseCode
from tests.browser.conftest import OpenPage
from tests.people import PASSWORD, Person
from tests.support.web import WAIT_SECONDS, eventually

# With what codes the page's sockets were closed, to be read after the page has left.
KEEP_CLOSE_CODES: Final = """
    window.WebSocket = class extends WebSocket {
        constructor(...words) {
            super(...words);
            this.addEventListener("close", (event) => sessionStorage.setItem("closed", event.code));
        }
    };
"""


async def cookies_of(context: BrowserContext) -> dict[str, str]:
    """The tokens that the browser keeps, by name."""
    return {str(cookie["name"]): str(cookie["value"]) for cookie in await context.cookies()}


async def is_live(page: Page) -> None:
    """Signed in, with an open socket, and all is asked for that a fresh page asks."""
    await expect(page.locator("#connection")).to_have_text("Live")
    await expect(page.locator(".me")).to_have_text("Ada")
    # Once at its start, and once more when its socket has told it what is new.
    await eventually(lambda: _is_listed_twice(page))


async def _is_listed_twice(page: Page) -> bool:
    asked: list[str] = await page.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)")
    return sum("/chat/threads?" in name for name in asked) >= 2


async def test_signs_in_and_is_still_there_after_a_reload(open_page: OpenPage, patient: Person) -> None:
    page = await open_page("/sign-in")
    await page.get_by_label("E-mail").fill(patient.email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/chat")
    await is_live(page)
    kept = {str(cookie["name"]): cookie for cookie in await page.context.cookies()}
    assert {name: cookie["path"] for name, cookie in kept.items()} == {
        "access_token": "/",
        "refresh_token": "/api/v1/auth/refresh",
    }
    assert all(cookie["httpOnly"] and cookie["sameSite"] == "Strict" for cookie in kept.values())
    assert await page.evaluate("document.cookie") == ""
    await page.reload()
    await is_live(page)
    assert page.url.endswith("/chat")


async def test_an_access_cookie_that_has_run_out_is_renewed_in_silence(open_page: OpenPage, patient: Person) -> None:
    page = await open_page("/chat", patient)
    await is_live(page)
    before = await cookies_of(page.context)
    # What the browser does by itself after Max-Age.
    await page.context.clear_cookies(name="access_token")
    await page.reload()
    await is_live(page)
    after = await cookies_of(page.context)
    assert after.keys() == before.keys()
    assert after["access_token"] != before["access_token"]
    assert after["refresh_token"] != before["refresh_token"]


async def test_an_expired_token_is_renewed_in_silence(open_page: OpenPage, patient: Person, settings: Settings) -> None:
    page = await open_page("/chat", patient)
    await is_live(page)
    before = await cookies_of(page.context)
    secret, hour = settings.secret_key.get_secret_value(), timedelta(hours=1)
    expired = write_access_token(
        patient.id, patient.email, "patient", patient.session_id, secret, now() - 2 * hour, hour
    )
    await page.context.add_cookies(
        [{"name": "access_token", "value": expired, "url": page.url, "httpOnly": True, "sameSite": "Strict"}]
    )
    await page.reload()
    await is_live(page)
    after = await cookies_of(page.context)
    assert after["access_token"] not in {expired, before["access_token"]}


async def test_a_reload_while_the_session_is_renewed_keeps_it(open_page: OpenPage, patient: Person) -> None:
    """The server has traded the token, and the page that would have kept the new one is gone."""
    page = await open_page("/chat", patient)
    await is_live(page)
    before = await cookies_of(page.context)
    is_traded = asyncio.Event()

    async def lose_the_answer(route: Route) -> None:
        async with httpx.AsyncClient() as server:
            answer = await server.post(route.request.url, headers=await route.request.all_headers())
        assert answer.status_code == 200
        is_traded.set()

    await page.route("**/auth/refresh", lose_the_answer, times=1)
    await page.context.clear_cookies(name="access_token")
    await page.reload(wait_until="commit")
    await asyncio.wait_for(is_traded.wait(), WAIT_SECONDS)
    assert (await cookies_of(page.context)).get("refresh_token") == before["refresh_token"]
    await page.reload()
    await is_live(page)
    assert (await cookies_of(page.context))["refresh_token"] != before["refresh_token"]


@pytest.mark.parametrize("locks", [True, False], ids=["in turns", "at once"])
async def test_two_tabs_that_renew_the_session_stay_signed_in(
    open_page: OpenPage, patient: Person, locks: bool
) -> None:
    first = await open_page("/chat", patient)
    second = await first.context.new_page()
    for tab in (first, second):
        if not locks:
            await tab.add_init_script("Object.defineProperty(navigator, 'locks', {value: undefined})")
        await tab.goto("/chat")
        await is_live(tab)
    await first.context.clear_cookies(name="access_token")
    await asyncio.gather(first.reload(), second.reload())
    await asyncio.gather(is_live(first), is_live(second))
    await first.reload()
    await is_live(first)


async def test_without_a_refresh_token_one_signs_in_anew(open_page: OpenPage, patient: Person) -> None:
    page = await open_page("/chat", patient)
    await is_live(page)
    await page.context.clear_cookies()
    await page.reload()
    await page.wait_for_url("**/sign-in?next=%2Fchat")


async def test_signing_out_in_one_tab_ends_the_socket_of_the_other(open_page: OpenPage, patient: Person) -> None:
    first = await open_page("/chat", patient)
    await is_live(first)
    second = await first.context.new_page()
    await second.add_init_script(KEEP_CLOSE_CODES)
    await second.goto("/chat")
    await is_live(second)
    await first.get_by_role("button", name="Sign out").click()
    await first.wait_for_url("**/sign-in")
    await second.wait_for_url("**/sign-in?next=*")
    assert await second.evaluate("sessionStorage.getItem('closed')") == str(int(CloseCode.SESSION_REVOKED))
    assert await cookies_of(first.context) == {}


async def test_signing_out_in_one_browser_leaves_another_signed_in(open_page: OpenPage, patient: Person) -> None:
    here, there = await open_page("/chat", patient), await open_page("/chat", patient)
    await asyncio.gather(is_live(here), is_live(there))
    await here.get_by_role("button", name="Sign out").click()
    await here.wait_for_url("**/sign-in")
    await there.reload()
    await is_live(there)
