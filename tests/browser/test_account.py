"""One's own account: a second factor, the places where one is signed in, and API keys."""

import re
from pathlib import Path

import httpx
import pyotp
from playwright.async_api import Page, expect
from sqlalchemy import update

from core.actor import Role
from core.clock import now
from core.runtime import Runtime
from core.settings import Settings
from domain.identity.scopes import METRICS, SCOPES
from models import SecondFactor
from tests.browser.conftest import OpenPage
from tests.browser.product import Desk, WebProcess, running_web
from tests.people import PASSWORD, Person, create_person
from tests.support.qr_code import read_drawing


async def press(page: Page, name: str) -> None:
    """Press the button of that name."""
    await page.get_by_role("button", name=name, exact=True).click()


async def set_up(page: Page) -> pyotp.TOTP:
    """Go through the steps up to the recovery codes; returns the authenticator app."""
    await page.get_by_label("Your password, once more").fill(PASSWORD)
    await press(page, "Set up")
    code = page.get_by_role("img", name="QR code for your authenticator app")
    await expect(code).to_be_visible()
    secret = (await page.locator("#secret").inner_text()).replace(" ", "")
    uri = await page.locator("#otpauth").get_attribute("href")
    assert uri is not None
    drawing, square = await code.locator("path").get_attribute("d"), await code.get_attribute("viewBox")
    assert read_drawing(drawing or "", int((square or "").split()[2])) == uri
    app = pyotp.parse_uri(uri)
    assert isinstance(app, pyotp.TOTP)
    assert app.secret == secret
    await page.get_by_label("Code that the app shows").fill("000000")
    await press(page, "Turn on")
    await expect(page.locator("#confirm-code [role=alert]")).to_contain_text("not valid")
    await page.get_by_label("Code that the app shows").fill(app.at(now()))
    await press(page, "Turn on")
    await expect(page.locator("#recovery-codes li")).to_have_count(10)
    return app


async def test_a_second_factor_is_set_up_and_turned_off(open_page: OpenPage, runtime: Runtime, patient: Person) -> None:
    page = await open_page("/chat", patient)
    await page.get_by_role("link", name="Ada").click()
    await expect(page.locator("#factor-state")).to_have_text("Off.")
    await page.get_by_label("Your password, once more").fill("not the password")
    await press(page, "Set up")
    await expect(page.locator("#begin [role=alert]")).to_have_text("This is not your password.")
    app = await set_up(page)
    await press(page, "I have kept them")
    await expect(page.locator("#factor-state")).to_have_text("On. 10 recovery codes are left.")
    await expect(page.locator("#recovery-codes li")).to_have_count(0)
    # Each code of the app works once; the next one comes in half a minute, or now if this one counts as not used.
    async with runtime.transactions.begin() as unit:
        await unit.session.execute(update(SecondFactor).where(SecondFactor.user_id == patient.id).values(last_step=0))
    await page.get_by_label("for new recovery codes").fill(app.at(now()))
    await press(page, "New recovery codes")
    await expect(page.locator("#recovery-codes li")).to_have_count(10)
    code = await page.locator("#recovery-codes li").first.inner_text()
    await press(page, "I have kept them")
    await page.get_by_label("to turn it off").fill(code)
    await press(page, "Turn off")
    await expect(page.locator("#factor-state")).to_have_text("Off.")


async def test_a_role_that_needs_a_second_factor_is_led_here_and_on(
    open_page: OpenPage, runtime: Runtime, settings: Settings, desk: Desk, tmp_path: Path
) -> None:
    strict = settings.model_copy(update={"second_factor_roles": ["staff"]})
    async with running_web(strict, tmp_path) as product:
        page = await open_page(f"{product.url}/sign-in")
        await page.get_by_label("E-mail").fill(desk.staff.email)
        await page.get_by_label("Password").fill(PASSWORD)
        await press(page, "Sign in")
        await page.wait_for_url("**/account?next=%2Fstaff")
        await expect(page.locator("#locked")).to_be_visible()
        await expect(page.locator("#sessions-card")).to_be_hidden()
        # Another way in leads here as well.
        await page.goto(f"{product.url}/staff")
        await page.wait_for_url("**/account?next=%2Fstaff")
        await set_up(page)
        await press(page, "I have kept them")
        await page.wait_for_url(re.compile("/staff$"))
        await expect(page.locator("#connection")).to_have_text("Live")


async def test_another_browser_is_signed_out_from_here(open_page: OpenPage, patient: Person) -> None:
    theirs = await open_page("/chat", patient)
    await expect(theirs.locator("#connection")).to_have_text("Live")
    # Three: the test's own, that browser's and this one's.
    page = await open_page("/account", patient)
    await expect(page.locator("#sessions li")).to_have_count(3)
    await expect(page.locator("#sessions li", has_text="this browser")).to_have_count(1)
    others = page.get_by_role("button", name="Sign out there")
    await others.first.click()
    await press(page, "No")
    await expect(others).to_have_count(2)
    for left in (1, 0):
        await others.first.click()
        await press(page, "Yes")
        await expect(others).to_have_count(left)
    await theirs.wait_for_url("**/sign-in?next=*")
    await press(page, "Sign out everywhere")
    await press(page, "Yes")
    await page.wait_for_url("**/sign-in")
    assert await page.context.cookies() == []


async def test_an_administrator_makes_a_key_and_revokes_it(
    open_page: OpenPage, runtime: Runtime, product: WebProcess
) -> None:
    page = await open_page("/account", await create_person(runtime, Role.ADMIN))
    await page.get_by_text("Make a key").click()
    offered = await page.locator("#scopes input").evaluate_all("(boxes) => boxes.map((box) => box.value)")
    assert set(offered) == SCOPES
    await page.get_by_label("What it is for").fill("Statistics")
    await press(page, "Make the key")
    await expect(page.locator("#make-key [role=alert]")).to_contain_text("Choose at least one")
    await page.get_by_label("clinics:read").check()
    await press(page, "Make the key")
    await expect(page.locator("#key")).to_have_text(re.compile("^cbk_"))
    key = await page.locator("#key").inner_text()
    await expect(page.locator("#keys li")).to_contain_text("Statistics")
    await expect(page.locator("#keys li")).to_contain_text("clinics:read · not used yet")
    async with httpx.AsyncClient(base_url=product.url, headers={"Authorization": f"Bearer {key}"}) as program:
        assert (await program.get("/api/v1/clinics")).status_code == 200
        assert (await program.get("/api/v1/chat/threads")).status_code == 403
        await press(page, "I have kept it")
        await expect(page.locator("#key")).to_have_text("")
        await press(page, "Revoke")
        await press(page, "Yes")
        await expect(page.locator("#no-keys")).to_be_visible()
        assert (await program.get("/api/v1/clinics")).status_code == 401


async def test_keys_are_for_those_who_work_here(open_page: OpenPage, runtime: Runtime, patient: Person) -> None:
    for role in (Role.STAFF, Role.DOCTOR, Role.ADVISOR):
        page = await open_page("/account", await create_person(runtime, role))
        await expect(page.locator("#no-keys")).to_be_visible()
        offered = await page.locator("#scopes input").evaluate_all("(boxes) => boxes.map((box) => box.value)")
        assert set(offered) == SCOPES - {METRICS}
    page = await open_page("/account", patient)
    await expect(page.locator("#sessions li")).to_have_count(2)
    await expect(page.locator("#keys-card")).to_be_hidden()
