"""The administrators' page of people: found, invited, changed, and sent away."""

import re
from uuid import UUID, uuid4

import pytest
from playwright.async_api import Locator, Page, expect
from sqlalchemy import select

from core.actor import Role
from core.runtime import Runtime
from domain.identity.queries import clinics_of
from domain.identity.rules import email_key
from models import Email, User
from tests.browser.conftest import OpenPage
from tests.browser.product import Desk, WebProcess
from tests.people import PASSWORD, PASSWORD_HASH, Person, create_person, some_email
from workers.mail import send_email
from workers.providers.mail import LocalMailer


@pytest.fixture
async def admin(runtime: Runtime) -> Person:
    """An administrator."""
    return await create_person(runtime, Role.ADMIN)


async def press(within: Page | Locator, name: str) -> None:
    """Press the button of that name."""
    await within.get_by_role("button", name=name, exact=True).click()


async def manage(page: Page, person: Person) -> Locator:
    """Search for somebody and open their dialog."""
    await page.get_by_label("Name or e-mail").fill(person.email)
    await expect(page.locator("#accounts li")).to_have_count(1)
    await expect(page.locator("#accounts")).to_contain_text(person.email)
    await page.locator("#accounts").get_by_role("button", name="Manage").click()
    return page.locator("#account")


async def link_in_letter(open_page: OpenPage, runtime: Runtime, email: str) -> str:
    """Do what a worker does with the newest letter to that address, and read its link on the page of the outbox."""
    async with runtime.database.session() as session:
        letter = await session.scalar(select(Email.id).where(Email.to_key == email).order_by(Email.id.desc()).limit(1))
    assert isinstance(letter, UUID)
    assert await send_email(runtime, LocalMailer(runtime.database), letter) == "sent"
    outbox = await open_page("/dev/outbox")
    address = await outbox.locator("tr", has_text=email).get_by_role("link").get_attribute("href")
    assert address is not None
    return address.partition("8000")[2]


async def test_an_invited_doctor_joins_by_the_letter_and_signs_in(
    open_page: OpenPage, runtime: Runtime, admin: Person, desk: Desk
) -> None:
    email, clinic = some_email(), str(desk.clinic.clinic_id)
    page = await open_page("/people", admin)
    await press(page, "Invite somebody")
    dialog = page.locator("#invitation")
    await dialog.get_by_label("Role").select_option("advisor")
    await expect(dialog.get_by_label("Clinic")).to_be_hidden()
    await dialog.get_by_label("Role").select_option("doctor")
    await dialog.get_by_label("Clinic").select_option(clinic)
    await dialog.get_by_label("E-mail").fill(admin.email)
    await press(dialog, "Send the invitation")
    await expect(dialog.locator(".field-error")).to_have_text("This email address is already registered.")
    await dialog.get_by_label("E-mail").fill(email)
    await press(dialog, "Send the invitation")
    row = page.locator("#invitations li", has_text=email)
    await expect(row.locator(".state")).to_have_text("open")
    # Sent again, it is one invitation for whoever looks.
    await press(row, "Send again")
    await expect(page.locator("#toasts p")).to_have_count(2)
    await expect(row).to_have_count(1)
    theirs = await open_page(await link_in_letter(open_page, runtime, email))
    await theirs.get_by_label("Your name").fill("Dr. Grace")
    await theirs.get_by_label("Choose a password").fill(PASSWORD)
    await press(theirs, "Make my account")
    await theirs.wait_for_url("**/sign-in")
    await expect(theirs.locator("#notice")).to_have_text(f"Your account is made. Sign in as {email}.")
    await theirs.get_by_label("E-mail").fill(email)
    await theirs.get_by_label("Password").fill(PASSWORD)
    await press(theirs, "Sign in")
    await theirs.wait_for_url("**/staff")
    await expect(theirs.locator("#clinic")).to_have_value(clinic)
    await expect(theirs.locator("#connection")).to_have_text("Live")
    await page.reload()
    await expect(row.locator(".state")).to_have_text("accepted")


async def test_an_invitation_is_revoked(open_page: OpenPage, runtime: Runtime, admin: Person) -> None:
    email = some_email()
    page = await open_page("/people", admin)
    await press(page, "Invite somebody")
    await page.locator("#invitation").get_by_label("E-mail").fill(email)
    await page.locator("#invitation").get_by_label("Role").select_option("advisor")
    await press(page, "Send the invitation")
    row = page.locator("#invitations li", has_text=email)
    await expect(row.locator(".state")).to_have_text("open")
    address = await link_in_letter(open_page, runtime, email)
    await press(row, "Revoke")
    await press(page, "Yes")
    await expect(row.locator(".state")).to_have_text("revoked")
    theirs = await open_page(address)
    await theirs.get_by_label("Your name").fill("Avery")
    await theirs.get_by_label("Choose a password").fill(PASSWORD)
    await press(theirs, "Make my account")
    await expect(theirs.get_by_role("alert")).to_contain_text("not valid any more")


async def test_who_is_deactivated_is_told_so_on_the_open_page(
    open_page: OpenPage, admin: Person, patient: Person
) -> None:
    theirs = await open_page("/chat", patient)
    await expect(theirs.locator("#connection")).to_have_text("Live")
    page = await open_page("/people", admin)
    dialog = await manage(page, patient)
    await press(dialog, "Deactivate")
    await press(page, "No")
    await expect(theirs.locator("#connection")).to_have_text("Live")
    await press(dialog, "Deactivate")
    await press(page, "Yes")
    await expect(dialog.locator("#account-news")).to_have_text("Ada is deactivated.")
    await theirs.wait_for_url("**/sign-in?next=*")
    await expect(theirs.locator("#notice")).to_have_text("Your session has ended. Sign in to go on.")
    await theirs.get_by_label("E-mail").fill(patient.email)
    await theirs.get_by_label("Password").fill(PASSWORD)
    await press(theirs, "Sign in")
    await expect(theirs.locator("#refusal")).to_have_text("Invalid email or password")
    await press(dialog, "Close")
    await expect(page.get_by_role("button", name="Manage Ada")).to_be_focused()
    await expect(page.locator("#accounts .state")).to_have_text("Deactivated")
    await press(page.locator("#accounts"), "Manage Ada")
    await press(dialog, "Reactivate")
    await expect(dialog.locator("#account-news")).to_have_text("Ada can sign in again.")
    await press(theirs, "Sign in")
    await theirs.wait_for_url("**/chat")


async def test_role_and_clinics_are_changed(
    open_page: OpenPage, runtime: Runtime, product: WebProcess, admin: Person, desk: Desk
) -> None:
    person, clinic = await create_person(runtime, Role.STAFF), desk.clinic.clinic_id
    # Where nobody works, the desk says what to do.
    theirs = await open_page("/staff", person)
    await expect(theirs.locator("#no-clinic")).to_contain_text("Ask an administrator")
    page = await open_page("/people", admin)
    dialog = await manage(page, person)
    await expect(dialog.locator("#no-clinics")).to_be_visible()
    await dialog.get_by_label("Another clinic").select_option(str(clinic))
    await press(dialog, "Add")
    await expect(dialog.locator("#clinics li")).to_have_count(1)
    await theirs.reload()
    await expect(theirs.locator("#clinic")).to_have_value(str(clinic))
    await dialog.locator("#clinics").get_by_role("button").click()
    await press(page, "Yes")
    await expect(dialog.locator("#clinics li")).to_have_count(0)
    async with runtime.database.session() as session:
        assert await clinics_of(session, [person.id]) == {}
    await dialog.get_by_label("Role").select_option("advisor")
    await press(dialog, "Change the role")
    await press(page, "Yes")
    await expect(dialog.locator("#account-news")).to_have_text("Ada is advisor now.")
    await expect(dialog.locator("#account-clinics")).to_be_hidden()
    await theirs.wait_for_url("**/sign-in?next=*")
    await press(dialog, "Sign out everywhere")
    await press(page, "Yes")
    await expect(dialog.locator("#account-news")).to_have_text("Ada was signed out everywhere.")
    # There is no second factor: refused in words, where they can be read.
    await press(dialog, "Remove the second factor")
    await press(page, "Yes")
    await expect(dialog.get_by_role("alert")).to_have_text("No second factor is set up.")


async def test_many_accounts_are_read_page_by_page(open_page: OpenPage, runtime: Runtime, admin: Person) -> None:
    family = f"Family{uuid4().hex[:8]}"
    async with runtime.transactions.begin() as unit:
        for number in range(23):
            email, role = some_email(), Role.ADVISOR if number == 22 else Role.PATIENT
            name = f"{family} {number:02}"
            unit.session.add(
                User(email=email, email_key=email_key(email), name=name, role=role, password_hash=PASSWORD_HASH)
            )
    page = await open_page("/people", admin)
    await page.get_by_label("Name or e-mail").fill(family)
    await expect(page.locator("#found")).to_have_text("23 accounts")
    await expect(page.locator("#accounts li")).to_have_count(20)
    await press(page, "Show more")
    await expect(page.locator("#accounts li")).to_have_count(23)
    await expect(page.get_by_role("button", name="Show more", exact=True)).to_be_hidden()
    await expect(page.get_by_role("button", name=f"Manage {family} 20")).to_be_focused()
    await page.get_by_label("Role").first.select_option("advisor")
    await expect(page.locator("#accounts li")).to_have_text([re.compile(f"{family} 22")])
    await page.get_by_label("State").select_option("false")
    await expect(page.locator("#nobody")).to_be_visible()


async def test_is_for_administrators_only(open_page: OpenPage, desk: Desk) -> None:
    page = await open_page("/people", desk.staff)
    await expect(page.locator("#not-here")).to_be_visible()
    await expect(page.locator("#page")).to_be_hidden()
    await expect(page.get_by_role("link", name="People")).to_have_count(0)
