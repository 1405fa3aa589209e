"""A patient and an advisor in two browsers."""

import re
from uuid import UUID

import pytest
from playwright.async_api import Page, expect

from core.runtime import Runtime
from domain.chat import actions as chat
from tests.browser.conftest import OpenPage
from tests.people import Person

READ = re.compile("Read$")
SENT = re.compile("Sent$")


async def begin(page: Page) -> str:
    """Begin a conversation; returns the thread's id."""
    await page.get_by_role("button", name="New conversation").click()
    await expect(page.locator("#thread")).to_be_visible()
    return page.url.partition("#")[2]


async def say(page: Page, body: str) -> None:
    """Type and send."""
    await page.locator("#body").fill(body)
    await page.locator("#body").press("Enter")


async def test_message_receipt_and_typing_reach_the_other_browser(
    open_page: OpenPage, patient: Person, advisor: Person
) -> None:
    hers, his = await open_page("/chat", patient), await open_page("/chat", advisor)
    thread = await begin(hers)
    await say(hers, "May I eat before the test?")
    mine = hers.locator("#messages li.mine")
    await expect(mine.locator(".body")).to_have_text("May I eat before the test?")
    await expect(mine.locator(".mark")).to_have_text(SENT)

    row = his.locator(f"#threads a[href='#{thread}']")
    await expect(row).to_contain_text("May I eat before the test?")
    await expect(row.locator(".unread")).to_have_text("1")
    await row.click()
    await expect(his.locator("#messages .body")).to_have_text(["May I eat before the test?"])
    await expect(mine.locator(".mark")).to_have_text(READ)
    await expect(row.locator(".unread")).to_have_count(0)

    await his.locator("#body").fill("No, please")
    await expect(hers.locator("#typing")).to_have_text("Ada is typing…")
    await his.locator("#body").press("Enter")
    await expect(hers.locator("#messages .body")).to_have_text(["May I eat before the test?", "No, please"])
    await expect(hers.locator("#typing")).to_have_text("")


async def test_who_is_here_stands_below_the_title(open_page: OpenPage, patient: Person, advisor: Person) -> None:
    hers = await open_page("/chat", patient)
    thread = await begin(hers)
    people = hers.get_by_role("list", name="Who is here").get_by_role("listitem")
    await expect(people).to_have_text(["Ada is away"])
    dot = "(row) => getComputedStyle(row, '::before').backgroundColor"
    away = await people.evaluate(dot)
    his = await open_page(f"/chat#{thread}", advisor)
    await expect(people).to_have_text(["Ada is here"])
    assert await people.evaluate(dot) != away
    await expect(his.locator("#people li")).to_have_text(["Ada is here"])
    second_tab = await his.context.new_page()
    await second_tab.goto(f"/chat#{thread}")
    await expect(second_tab.locator("#people li")).to_have_text(["Ada is here"])
    await his.close()
    # Neither the tab that was closed nor the reload of the other is a leave.
    await people.evaluate("(row) => { row.dataset.watched = '' }")
    await second_tab.reload()
    await expect(second_tab.locator("#people li")).to_have_text(["Ada is here"])
    await expect(hers.locator("#people li[data-watched]")).to_have_count(1)
    await second_tab.close()
    await expect(people).to_have_text(["Ada is away"], timeout=15_000)
    # Nobody can say while the line is broken, so the page does not.
    await hers.context.set_offline(True)
    await expect(people).to_have_count(0)
    await hers.context.set_offline(False)
    await expect(people).to_have_text(["Ada is away"])


@pytest.mark.usefixtures("advisor")
async def test_history_is_there_after_a_reload_and_further_up(
    open_page: OpenPage, patient: Person, runtime: Runtime
) -> None:
    page = await open_page("/chat", patient)
    thread = UUID(await begin(page))
    bodies = [f"Message number {number}" for number in range(1, 71)]
    async with runtime.transactions.begin(patient.actor) as unit:
        for body in bodies[:-1]:
            await chat.send_message(unit, thread, f"{thread}:{body}", body)
    await say(page, bodies[-1])
    await expect(page.locator("#messages .mark").last).to_have_text(SENT)
    await page.reload()
    await expect(page.locator("#messages .body").last).to_have_text("Message number 70")
    await expect(page.locator("#messages li")).to_have_count(50)
    await page.locator("#scroll").evaluate("(box) => { box.scrollTop = 0 }")
    await expect(page.locator("#messages .body")).to_have_text(bodies)
    await expect(page.locator("#beginning")).to_be_visible()


async def test_written_offline_is_sent_once_after_coming_back(
    open_page: OpenPage, patient: Person, advisor: Person
) -> None:
    hers, his = await open_page("/chat", patient), await open_page("/chat", advisor)
    thread = await begin(hers)
    await say(hers, "one")
    await his.locator(f"#threads a[href='#{thread}']").click()
    await hers.context.set_offline(True)
    await expect(hers.locator("#connection")).to_contain_text("your messages are kept")
    await say(hers, "two")
    await expect(hers.locator("#messages li.mine .mark").last).to_have_text("Sending…")
    await hers.context.set_offline(False)
    await expect(hers.locator("#connection")).to_have_text("Live")
    await say(hers, "three")
    await expect(his.locator("#messages .body")).to_have_text(["one", "two", "three"])
    await expect(hers.locator("#messages .body")).to_have_text(["one", "two", "three"])
    await expect(hers.locator("#messages li.sending")).to_have_count(0)


@pytest.mark.usefixtures("advisor")
async def test_a_message_written_offline_outlives_the_page(open_page: OpenPage, patient: Person) -> None:
    page = await open_page("/chat", patient)
    await begin(page)
    await page.context.set_offline(True)
    await expect(page.locator("#connection")).to_contain_text("your messages are kept")
    await say(page, "kept")
    await page.context.set_offline(False)
    await page.reload()
    await expect(page.locator("#messages .body")).to_have_text(["kept"])
    await expect(page.locator("#messages .mark")).to_have_text(SENT)


async def test_the_bell_counts_and_forgets(open_page: OpenPage, patient: Person, advisor: Person) -> None:
    his = await open_page("/chat", advisor)
    hers = await open_page("/chat", patient)
    await begin(hers)
    await say(hers, "Hello?")
    await expect(his.locator("#bell-count")).to_have_text("1")
    await his.locator("#bell").click()
    await expect(his.locator("#bell-list li.unread")).to_have_count(1)
    await his.get_by_role("button", name="Mark all read").click()
    await expect(his.locator("#bell-count")).to_have_text("")
    await expect(his.locator("#bell-list li")).to_have_count(1)


async def test_a_closed_conversation_says_so_on_both_sides(
    open_page: OpenPage, patient: Person, advisor: Person
) -> None:
    hers = await open_page("/chat", patient)
    thread = await begin(hers)
    his = await open_page(f"/chat#{thread}", advisor)
    await his.get_by_role("button", name="Close", exact=True).click()
    await expect(hers.locator("#status")).to_have_text("Reopen")


@pytest.mark.usefixtures("advisor")
async def test_a_session_that_ran_out_is_renewed_without_a_word(open_page: OpenPage, patient: Person) -> None:
    page = await open_page("/chat", patient)
    await begin(page)
    await page.context.clear_cookies(name="access_token")
    await page.context.set_offline(True)
    await expect(page.locator("#connection")).to_contain_text("your messages are kept")
    await say(page, "still me")
    await page.context.set_offline(False)
    await expect(page.locator("#messages .mark")).to_have_text(SENT)
    assert "/chat#" in page.url


@pytest.mark.usefixtures("advisor")
async def test_signing_out_elsewhere_ends_here_too(open_page: OpenPage, patient: Person) -> None:
    page = await open_page("/chat", patient)
    await expect(page.locator("#connection")).to_have_text("Live")
    other_tab = await page.context.new_page()
    await other_tab.goto("/chat")
    await other_tab.get_by_role("button", name="Sign out").click()
    await page.wait_for_url("**/sign-in?next=*")
