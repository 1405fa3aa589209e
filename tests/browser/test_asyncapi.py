"""The page on which people read the protocol of the sockets."""

from typing import get_args

from playwright.async_api import expect

from hub.close_codes import CloseCode
from hub.error_codes import ERROR_CODES
from hub.frames import ClientFrame, ServerFrame
from hub.topics import TOPICS
from tests.browser.conftest import OpenPage


async def test_every_frame_channel_and_code_can_be_read(open_page: OpenPage) -> None:
    page = await open_page("/asyncapi")
    for cls in (*get_args(ClientFrame), *get_args(ServerFrame)):
        await expect(page.locator(f"#frame-{cls.__struct_config__.tag} h3")).to_have_text(cls.__struct_config__.tag)
    await expect(page.locator("#topics h3")).to_have_text([topic.name for topic in TOPICS.values()])
    await expect(page.locator("#about tbody tr")).to_have_count(len(ERROR_CODES) + len(CloseCode))
    for code in ERROR_CODES:
        await expect(page.locator("#about").get_by_role("cell", name=code.word, exact=True).first).to_be_visible()
    await expect(page.locator("#sockets")).to_contain_text("/api/v1/queues/{queue_id}/board/events")
    changes = [event.name for event in TOPICS["board"].events]
    names = ["welcome", "snapshot", "live", *changes, "heartbeat", "degraded", "recovered"]
    await expect(page.locator("#stream tbody td:first-child")).to_have_text(names)
    await expect(page.locator("#frame-send")).to_contain_text("Answered by ack, error.")
    await expect(page.locator("#refusal")).to_be_hidden()


async def test_a_link_leads_to_the_shape_that_it_names(open_page: OpenPage) -> None:
    page = await open_page("/asyncapi", width=390, height=844)
    await page.locator("#topics").get_by_role("link", name="BoardState").click()
    await expect(page.locator("#schema-BoardState")).to_be_in_viewport()
    links = page.locator("main a[href^='#']")
    for target in {await link.get_attribute("href") for link in await links.all()}:
        assert target is not None
        assert await page.locator(target).count() == 1, target
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
