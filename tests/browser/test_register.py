"""Making an account of one's own, and changing what it says."""

import re

from playwright.async_api import expect

from tests.browser.conftest import OpenPage
from tests.people import PASSWORD, Person, some_email


async def test_somebody_registers_signs_in_and_chats(open_page: OpenPage, patient: Person, advisor: Person) -> None:
    email = some_email()
    page = await open_page("/")
    await page.get_by_role("link", name="Make an account").click()
    await page.get_by_label("Your name").fill("Grace")
    await page.get_by_label("E-mail").fill(patient.email)
    await page.get_by_label("Mobile number").fill("12")
    await page.get_by_label("Choose a password").fill("short")
    make = page.get_by_role("button", name="Make my account")
    # What is wrong stands next to its field, which takes the focus.
    for field, words, right in (
        ("Mobile number", "Must be a phone number that can exist", "+1 202 555 0143"),
        ("Choose a password", "at least 8 characters", PASSWORD),
        ("E-mail", "This email address is already registered.", email),
    ):
        await make.click()
        box = page.get_by_label(field)
        await expect(box).to_be_focused()
        await expect(box).to_have_accessible_description(re.compile(words))
        await expect(page.get_by_role("alert")).to_contain_text(words)
        await box.fill(right)
    await make.click()
    await page.wait_for_url("**/chat")
    await expect(page.locator("#connection")).to_have_text("Live")
    await expect(page.locator("#no-threads")).to_contain_text("Press the button above")
    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url("**/sign-in")
    # They left by themselves: nothing has to be explained.
    await expect(page.locator("#notice")).to_be_hidden()
    await page.get_by_label("E-mail").fill(email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/chat")
    await page.get_by_role("button", name="New conversation").click()
    await page.locator("#body").fill("May I eat before the test?")
    await page.locator("#body").press("Enter")
    his = await open_page("/chat", advisor)
    await expect(his.locator("#threads")).to_contain_text("May I eat before the test?")


async def test_who_wanted_to_be_elsewhere_is_led_there(open_page: OpenPage) -> None:
    page = await open_page("/account")
    await page.wait_for_url("**/sign-in?next=%2Faccount")
    await page.get_by_role("link", name="Make an account").click()
    await page.get_by_label("Your name").fill("Grace")
    await page.get_by_label("E-mail").fill(some_email())
    await page.get_by_label("Choose a password").fill(PASSWORD)
    await page.get_by_role("button", name="Make my account").click()
    await page.wait_for_url("**/account")


async def test_the_own_profile_is_changed(open_page: OpenPage, patient: Person) -> None:
    page = await open_page("/account", patient)
    await page.get_by_label("Name").fill("Grace")
    await page.get_by_label("Mobile number").fill("nobody")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#profile [role=alert]:visible")).to_have_text(
        "Must be a phone number, such as +14155552671"
    )
    await page.get_by_label("Mobile number").fill("(202) 555-0143")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#profile-news")).to_have_text("Saved.")
    # As it is kept: with the country that was meant.
    await expect(page.get_by_label("Mobile number")).to_have_value("+12025550143")
    await expect(page.locator(".me")).to_have_text("Grace")
    await expect(page.locator("#department")).to_be_hidden()
    await page.get_by_label("Mobile number").fill("")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#profile-news")).to_have_text("Saved.")
    await page.reload()
    await expect(page.get_by_label("Name")).to_have_value("Grace")
    await expect(page.get_by_label("Mobile number")).to_have_value("")
    await page.get_by_role("button", name="Send me the link").click()
    await expect(page.locator("#password-news")).to_contain_text("on its way")


async def test_text_messages_are_turned_off_and_stay_off(open_page: OpenPage, patient: Person) -> None:
    page = await open_page("/account", patient)
    called = page.get_by_label("When my ticket is called")
    await expect(called).to_be_checked()
    await called.uncheck()
    await expect(page.locator("#sms-news")).to_have_text("Saved.")
    await page.reload()
    await expect(called).not_to_be_checked()
    await expect(page.get_by_label("When I have not read a message")).to_be_checked()
