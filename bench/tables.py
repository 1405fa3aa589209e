"""The tables: servers side by side, and targets with what was reached."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any, Final

from bench.options import Sample, middle, middle_ratio
from bench.peers import FLOOR, OURS, PEERS
from bench.report import say

Results = dict[str, Any]
SIZES: Final = (100, 1000, 10_000)
"""Sockets over which growth is measured."""
CHANNELS: Final = (1, 100, 900)
"""Channels that a node serves beside the one that is measured."""
NODES: Final = (1, 2, 4)
"""Nodes that share the sockets."""


@dataclass(frozen=True)
class Target:
    """``measured`` is NaN where it was not; ``most`` tells whether the bound is an upper one."""

    name: str
    bound: float
    measured: Callable[[Results], float]
    form: str = "{:.2f} x"
    is_most: bool = True

    def line(self, results: Results) -> list[str]:
        """Name, bound, figure and verdict."""
        figure = self.measured(results)
        if isnan(figure):
            return [self.name, self._bound(), "not measured", ""]
        is_reached = figure <= self.bound if self.is_most else figure >= self.bound
        if is_reached:
            return [self.name, self._bound(), self.form.format(figure), "reached"]
        over, under = (figure, self.bound) if self.is_most else (self.bound, figure)
        missed = f"missed by {over / under:.2f} x" if under else "missed"
        return [self.name, self._bound(), self.form.format(figure), missed]

    def _bound(self) -> str:
        return ("<= " if self.is_most else ">= ") + self.form.format(self.bound)


def samples(results: Results, bench: str, key: str) -> list[Sample]:
    """The runs of that bench with that name; none where it was not run."""
    found: list[Sample] = results.get(bench, {}).get(key, [])
    return found


def _figure(bench: str, key: str, name: str) -> Callable[[Results], float]:
    return lambda results: middle(samples(results, bench, key), name)


def _ratio(bench: str, key: str, base: str, name: str, base_name: str | None = None) -> Callable[[Results], float]:
    def measured(results: Results) -> float:
        ours, others = samples(results, bench, key), samples(results, bench, base)
        renamed = [{name: sample[base_name or name]} for sample in others]
        return middle_ratio(ours, renamed, name)

    return measured


def _growth(results: Results) -> float:
    """Ours from 100 to 10,000 sockets, less what the kernel's own cost grows (the floor's growth)."""
    per_size = [
        middle(samples(results, "growth", f"{key} {size}"), "cpu_us")
        for key in (OURS.key, FLOOR.key)
        for size in (10_000, 100)
    ]
    return per_size[0] / per_size[1] / (per_size[2] / per_size[3])


def _foreign(results: Results) -> float:
    found = samples(results, "growth", "foreign")
    return middle(found, "foreign_ms") - middle(found, "idle_ms")


def _against_socket_io(results: Results) -> float:
    """Ours over the median of Socket.IO's runs, which may be fewer."""
    ours, theirs = samples(results, "flat", OURS.key), samples(results, "flat", "socketio")
    return middle(ours, "per_second") / middle(theirs, "per_second") if theirs else float("nan")


TARGETS: Final = (
    Target("paced: CPU per delivery, over the floor's", 1.15, _ratio("fanout", OURS.key, FLOOR.key, "cpu_us")),
    Target("paced: p99, over the floor's", 1.3, _ratio("fanout", OURS.key, FLOOR.key, "p99_ms")),
    Target(
        "flat out: deliveries a second", 1e6, _figure("flat", OURS.key, "per_second"), form="{:,.0f}", is_most=False
    ),
    Target("flat out: over Socket.IO", 10, _against_socket_io, form="{:.1f} x", is_most=False),
    Target("memory per connection, bytes", 10_240, _figure("memory", OURS.key, "bytes"), form="{:,.0f}"),
    Target(
        "durable send to the other's screen: p99, over a bare commit's median", 5,
        _ratio("durable", "paced", "bare", "p99_ms", "p50_ms"), form="{:.1f} x",
    ),
    Target(
        "durable sends flat out, over pgbench", 2,
        _ratio("durable", "flat", "pgbench", "per_second"), is_most=False,
    ),
    Target("storm of 10,000 screens: till all are current", 10, _figure("storm", "storm", "seconds"), "{:.1f} s"),
    Target("storm: p99 of other sockets, ms", 250, _figure("storm", "storm", "other_p99_ms"), "{:,.0f} ms"),
    Target("storm: p99 of REST, ms", 250, _figure("storm", "storm", "rest_p99_ms"), "{:,.0f} ms"),
    Target("storm: events lost", 0, _figure("storm", "storm", "missing"), "{:,.0f}"),
    Target("REST list of 20 rows, over a bare route", 0.4, _ratio("rest", "ours", "bare", "per_second"), is_most=False),
    Target("growth 100 to 10,000 sockets, over the floor's", 1.15, _growth),
    Target("1,000 foreign events a second: ms CPU a second", 5, _foreign, "{:.1f} ms"),
)  # fmt: skip


def tables(results: Results) -> dict[str, list[str]]:
    """The lines of each table, by its name in docs/performance.md; a figure that is missing was not measured yet."""
    return {
        "servers": _lines(
            ["server", "paced: CPU us", "over floor", "p50 ms", "p99 ms", "flat out /s", "CPU us", "KiB/connection"],
            [_server_line(results, peer.key, peer.title) for peer in PEERS],
        ),
        "targets": _lines(["target", "", "measured", ""], [target.line(results) for target in TARGETS]),
        "growth": _lines(["sockets", "floor, us", "ours, us", "ratio"], [_growth_line(results, n) for n in SIZES]),
        "channels": _lines(
            ["other channels of the node", "CPU us a delivery", "idle: ms CPU a second"],
            [
                [f"{n:,}", *(_growth_figure(results, f"channels {n}", name) for name in ("cpu_us", "idle_ms"))]
                for n in CHANNELS
            ],
        ),
        "nodes": _lines(
            ["nodes that share 1,000 sockets", "CPU us a delivery, all together"],
            [[str(n), _growth_figure(results, f"nodes {n}", "cpu_us")] for n in NODES],
        ),
    }


def print_tables(results: Results) -> None:
    """One after the other."""
    for lines in tables(results).values():
        say("\n".join(["", *lines]))


def write_tables(results: Results, page: Path) -> None:
    """Put them into the page, each between ``<!-- table NAME -->`` and ``<!-- end -->``.

    Raises ``ValueError`` where the page has no such place.
    """
    text = page.read_text()
    for name, lines in tables(results).items():
        begin, end = f"<!-- table {name} -->\n", "<!-- end -->"
        first = text.index(begin) + len(begin)
        text = text[:first] + "\n".join(lines) + "\n" + text[text.index(end, first) :]
    page.write_text(text)


def _growth_line(results: Results, size: int) -> list[str]:
    floor, ours = (middle(samples(results, "growth", f"{peer.key} {size}"), "cpu_us") for peer in (FLOOR, OURS))
    return [f"{size:,}", _number(floor, "{:.1f}"), _number(ours, "{:.1f}"), _number(ours / floor, "{:.2f} x")]


def _growth_figure(results: Results, key: str, name: str) -> str:
    return _number(middle(samples(results, "growth", key), name), "{:.1f}")


def _server_line(results: Results, key: str, title: str) -> list[str]:
    paced, flat = samples(results, "fanout", key), samples(results, "flat", key)
    over_floor = middle_ratio(paced, samples(results, "fanout", FLOOR.key), "cpu_us")
    return [
        title,
        _number(middle(paced, "cpu_us"), "{:.1f}"),
        _number(over_floor, "{:.2f} x"),
        _number(middle(paced, "p50_ms"), "{:,.1f}"),
        _number(middle(paced, "p99_ms"), "{:,.1f}"),
        _number(middle(flat, "per_second"), "{:,.0f}"),
        _number(middle(flat, "cpu_us"), "{:.2f}"),
        _number(middle(samples(results, "memory", key), "bytes") / 1024, "{:.1f}"),
    ]


def _number(value: float, form: str) -> str:
    return "-" if isnan(value) else form.format(value)


def _lines(head: list[str], rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = []
    for row in [head, ["-" * width for width in widths], *rows]:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("| " + " | ".join(cells) + " |")
    return lines
