"""The picture: three dot plots side by side, one row a server, on logarithmic scales (dots, for bars would lie)."""

import json
from html import escape
from math import ceil, floor, isnan, log10
from pathlib import Path
from typing import Final

from bench.options import middle
from bench.peers import FLOOR, OURS, PEERS
from bench.tables import samples

_PANELS: Final = (
    ("fanout", "cpu_us", "paced: CPU µs per delivery|less is better", "{:.1f}"),
    ("fanout", "p99_ms", "paced: p99, ms|less is better", "{:,.1f}"),
    ("flat", "per_second", "flat out: deliveries a second|more is better", "{:,.0f}"),
)
_ROW, _TOP, _NAMES, _PANEL, _GAP = 30, 64, 330, 270, 30
_COLORS: Final = {OURS.key: "#0b6e4f", FLOOR.key: "#555555"}
_OTHERS: Final = "#9aa5b1"
_STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#222}.head{font-weight:600;font-size:12px}.tick{fill:#777;font-size:11px}"
    ".value{font-size:12px}line{stroke:#e3e6ea}.ours{font-weight:700}"
)


def draw(results_path: Path, picture: Path) -> None:
    """Write the SVG; nothing when fan-out was never measured."""
    results = json.loads(results_path.read_text())
    shown = [peer for peer in PEERS if samples(results, "fanout", peer.key)]
    if not shown:
        return
    height = _TOP + _ROW * len(shown) + 34
    width = _NAMES + (_PANEL + _GAP) * len(_PANELS)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f'<style>{_STYLE}</style><rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for row, peer in enumerate(shown):
        kind = "ours" if peer is OURS else ""
        parts.append(f'<text class="{kind}" x="12" y="{_y(row) + 4}">{escape(peer.title)}</text>')
    for column, (bench, name, title, form) in enumerate(_PANELS):
        values = [middle(samples(results, bench, peer.key), name) for peer in shown]
        left = _NAMES + column * (_PANEL + _GAP)
        colors = [_COLORS.get(peer.key, _OTHERS) for peer in shown]
        parts += _panel(left, title, form, values, colors)
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_text("\n".join([*parts, "</svg>"]) + "\n")


def _tick(power: int) -> str:
    return f"{10 ** (power - 6)} M" if power >= 6 else f"{10.0**power:,.0f}" if power >= 0 else f"{10.0**power}"


def _y(row: int) -> float:
    return _TOP + _ROW * row + _ROW / 2


def _panel(left: float, title: str, form: str, values: list[float], colors: list[str]) -> list[str]:
    known = [value for value in values if not isnan(value)]
    name, _, better = title.partition("|")
    parts = [
        f'<text class="head" x="{left}" y="20">{escape(name)}</text>',
        f'<text class="tick" x="{left}" y="37">{escape(better)}</text>',
    ]
    if not known:
        return parts
    low, high = floor(log10(min(known))), ceil(log10(max(known)))
    # Room on the right for the figure beside the last dot.
    scale = (_PANEL - 70) / max(1, high - low)
    bottom = _y(len(values) - 1) + _ROW / 2
    for power in range(low, high + 1):
        x = left + (power - low) * scale
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 6}" y2="{bottom:.1f}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 16:.1f}" text-anchor="middle">{_tick(power)}</text>')
    for row, (value, color) in enumerate(zip(values, colors, strict=True)):
        if isnan(value):
            continue
        x = left + (log10(value) - low) * scale
        parts.append(f'<circle cx="{x:.1f}" cy="{_y(row):.1f}" r="5.5" fill="{color}"/>')
        parts.append(f'<text class="value" x="{x + 10:.1f}" y="{_y(row) + 4:.1f}">{form.format(value)}</text>')
    return parts
