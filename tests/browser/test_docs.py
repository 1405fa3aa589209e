"""The pages that explain the APIs, without a byte from elsewhere."""

from urllib.parse import urlsplit

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenPage


@pytest.mark.parametrize(("path", "words"), [("/docs", "/api/v1/queue/call-next"), ("/redoc", "/api/v1/auth/token")])
async def test_the_rest_api_can_be_read_and_tried(open_page: OpenPage, path: str, words: str) -> None:
    page = await open_page("/")
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    await page.goto(path)
    await expect(page.get_by_text(words).first).to_be_visible()
    assert hosts == {urlsplit(page.url).netloc}
