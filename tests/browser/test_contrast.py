"""Every word of the board is readable from the last chair: WCAG 2.2 asks 7:1 for level AAA."""

from typing import Literal

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.product import Desk

LOWEST_CONTRAST = """
() => {
  const rgb = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const [x, y, z] = [r, g, b].map((c) => linear(c / 255));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = rgb(getComputedStyle(e).backgroundColor);
      if (color[3] !== 0) return color;
    }
    return [255, 255, 255];
  };
  const words = [...document.querySelectorAll("body *")].filter((element) =>
    element.checkVisibility() && [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
  return words
    .map((element) => {
      const [a, b] = [light(rgb(getComputedStyle(element).color)), light(ground(element))];
      return { text: element.textContent.trim(), ratio: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) };
    })
    .sort((one, other) => one.ratio - other.ratio);
}
"""


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
async def test_the_board_has_a_contrast_of_seven_to_one_live_and_stale(
    open_page: OpenPage, desk: Desk, color_scheme: Literal["light", "dark"]
) -> None:
    for _ in range(3):
        await desk.add_ticket()
    await desk.call_next()
    ticket = await desk.call_next()
    await desk.change(ticket, "serving")
    board = await open_page(desk.board, width=1920, height=1080, color_scheme=color_scheme)
    await expect(board.locator("#serving li")).to_have_count(2)
    for state in ("live", "stale"):
        await expect(board.locator("body")).to_have_attribute("data-state", state)
        words = await board.evaluate(LOWEST_CONTRAST)
        assert len(words) > 8
        assert words[0]["ratio"] >= 7, words[:3]
        await board.context.set_offline(True)
