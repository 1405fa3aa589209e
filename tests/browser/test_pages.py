"""Every page on a phone and on a desk: nothing sticks out, all words can be read, and the keyboard reaches everything.

WCAG 2.2, level AA: 1.4.3 asks for a contrast of 4.5:1, 1.4.10 for no second direction of scrolling, 2.4.7 for a focus
that is seen, 4.1.2 for names. The API's page is somebody else's program, and left out.
"""

from typing import Any, Final, Literal

import pytest
from playwright.async_api import Page, expect

from core.actor import Role
from core.runtime import Runtime
from tests.browser.conftest import OpenPage
from tests.browser.product import Desk
from tests.browser.test_contrast import LOWEST_CONTRAST
from tests.people import create_person

# Address, who looks at it, and what is there once it is whole.
PAGES: Final[list[tuple[str, str, str]]] = [
    ("/", "nobody", "#way-in"),
    ("/sign-in", "nobody", "#sign-in"),
    ("/register", "nobody", "#register"),
    ("/reset", "nobody", "#forgot"),
    ("/reset#token=none", "nobody", "#reset"),
    ("/join", "nobody", "#no-link"),
    ("/join#token=none", "nobody", "#join"),
    ("/chat", "patient", "#no-threads"),
    ("/account", "admin", "#no-keys"),
    ("/people", "admin", "#accounts li >> nth=0"),
    ("/people", "patient", "#not-here"),
    ("/admin", "admin", "#nodes tr >> nth=0"),
    ("/staff", "staff", "#waiting li"),
    ("/staff", "patient", "#not-here"),
    ("/board/{queue_id}", "nobody", "#waiting li"),
    ("/screen", "nobody", "#pairing-code:not(:empty)"),
    ("/asyncapi", "nobody", "#schemas .card >> nth=0"),
    ("/dev/outbox", "nobody", "h1"),
]
LOOKS: Final[list[tuple[int, Literal["light", "dark"]]]] = [(375, "light"), (1280, "dark")]

FOCUSED: Final = """
() => {
  const element = document.activeElement;
  const named = element.getAttribute("aria-labelledby");
  const names = [element.getAttribute("aria-label"), named && document.getElementById(named)?.textContent,
    ...[...(element.labels ?? [])].map((label) => label.textContent), element.textContent];
  return {
    element: element.outerHTML.slice(0, 80),
    isPage: element === document.body,
    isNamed: names.some((name) => name?.trim()),
    isSeen: getComputedStyle(element).outlineStyle !== "none",
  };
}
"""


async def walk(page: Page) -> list[dict[str, Any]]:
    """What the Tab key comes to, at most twenty things."""
    reached: list[dict[str, Any]] = []
    for _ in range(20):
        await page.keyboard.press("Tab")
        focused: dict[str, Any] = await page.evaluate(FOCUSED)
        if focused["isPage"]:
            break
        reached.append(focused)
    return reached


@pytest.mark.parametrize(("address", "who", "whole"), PAGES, ids=[f"{path} {who}" for path, who, _ in PAGES])
async def test_a_page_fits_reads_and_is_walked_through(
    open_page: OpenPage, runtime: Runtime, desk: Desk, address: str, who: str, whole: str
) -> None:
    await desk.add_ticket()
    roles = {"patient": Role.PATIENT, "admin": Role.ADMIN}
    person = await create_person(runtime, roles[who]) if who in roles else desk.staff if who == "staff" else None
    for width, scheme in LOOKS:
        path = address.format(queue_id=desk.clinic.queue_id)
        page = await open_page(path, person, width=width, color_scheme=scheme)
        await expect(page.locator(whole)).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"wider than {width}"
        words = await page.evaluate(LOWEST_CONTRAST)
        assert words
        assert words[0]["ratio"] >= 4.5, words[:3]
        assert await page.locator("h1:visible, #not-here").count() >= 1
        reached = await walk(page)
        assert [one for one in reached if not one["isNamed"] or not one["isSeen"]] == []
