"""Pages of those who cannot simply sign in: a forgotten password, an invitation, a second step, a late sign-out."""

from uuid import UUID

import pyotp
from playwright.async_api import expect
from sqlalchemy import select

from core.actor import Role
from core.clock import now
from core.runtime import Runtime
from domain.identity import actions_invitations, actions_second_factor, letters
from domain.identity.queries import revoked_sessions
from models import Email, Session
from tests.browser.conftest import OpenPage
from tests.people import PASSWORD, Person, create_person, some_email


async def link_of(runtime: Runtime, email_key: str) -> str:
    """Path and fragment of the link in the newest letter to that address."""
    async with runtime.transactions.begin() as unit:
        newest = select(Email.id).where(Email.to_key == email_key).order_by(Email.id.desc()).limit(1)
        letter_id = await unit.session.scalar(newest)
        assert isinstance(letter_id, UUID)
        letter = await letters.claim_letter(unit, letter_id, runtime.settings)
    assert letter is not None
    return next(word for word in letter.body.split() if "#token=" in word).partition("8000")[2]


async def test_a_forgotten_password_is_replaced(open_page: OpenPage, runtime: Runtime, patient: Person) -> None:
    page = await open_page("/sign-in")
    await page.get_by_role("link", name="Forgotten your password?").click()
    await page.get_by_label("E-mail").fill(patient.email)
    await page.get_by_role("button", name="Send me a link").click()
    await expect(page.get_by_role("status")).to_contain_text("on its way")
    page = await open_page(await link_of(runtime, patient.email))
    await page.get_by_label("New password").fill("short")
    await page.get_by_role("button").click()
    await expect(page.get_by_role("alert")).to_contain_text("at least 8 characters")
    await page.get_by_label("New password").fill("another password")
    await page.get_by_role("button").click()
    await page.wait_for_url("**/sign-in")
    await page.get_by_label("E-mail").fill(patient.email)
    await page.get_by_label("Password").fill("another password")
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/chat")


async def test_an_invitation_becomes_an_account(open_page: OpenPage, runtime: Runtime) -> None:
    admin, email = await create_person(runtime, Role.ADMIN), some_email()
    async with runtime.transactions.begin(admin.actor) as unit:
        await actions_invitations.invite(unit, email=email, role=Role.ADVISOR, clinic_id=None)
    page = await open_page(await link_of(runtime, email))
    await page.get_by_label("Your name").fill("Avery")
    await page.get_by_label("Choose a password").fill(PASSWORD)
    await page.get_by_role("button", name="Make my account").click()
    await page.wait_for_url("**/sign-in")


async def test_signing_in_in_two_steps(open_page: OpenPage, runtime: Runtime, patient: Person) -> None:
    async with runtime.transactions.begin(patient.actor) as unit:
        enrolment = await actions_second_factor.begin_second_factor(unit, PASSWORD, runtime.settings)
    app = pyotp.TOTP(enrolment.secret)
    async with runtime.transactions.begin(patient.actor) as unit:
        codes = await actions_second_factor.confirm_second_factor(unit, app.at(now()), runtime.settings)
    page = await open_page("/sign-in")
    await page.get_by_label("E-mail").fill(patient.email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_label("Code of your app").fill("000000")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("not valid")
    await page.get_by_label("Code of your app").fill(codes[0])
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/chat")


async def test_signing_out_after_the_access_cookie_is_gone(
    open_page: OpenPage, runtime: Runtime, patient: Person
) -> None:
    page = await open_page("/chat", patient)
    await expect(page.locator("#connection")).to_have_text("Live")
    await page.context.clear_cookies(name="access_token")
    await page.locator("#sign-out").click()
    await page.wait_for_url(lambda address: not address.endswith("/chat"))
    assert await page.context.cookies() == []
    async with runtime.database.session() as session:
        of_patient = set(await session.scalars(select(Session.id).where(Session.user_id == patient.id)))
        assert await revoked_sessions(session, of_patient) == of_patient - {patient.session_id}


async def test_a_link_that_is_none_says_so(open_page: OpenPage) -> None:
    page = await open_page("/reset#token=nonsense")
    await page.get_by_label("New password").fill("another password")
    await page.get_by_role("button").click()
    await expect(page.get_by_role("alert")).to_contain_text("not valid any more")
