"""``python -m bench COMMAND``: measure the hub against its floor and its peers."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench import durable, fanout, login, rest, storm, tools
from bench.chart import draw
from bench.options import Options, Sample
from bench.peers import PEERS
from bench.processes import BenchError
from bench.report import save, say
from bench.stage import Stage, stage
from bench.tables import print_tables, write_tables
from ops.checkout import ROOT

_PAGE: Final = ROOT / "docs" / "performance.md"

Bench = Callable[[Stage, Options], dict[str, list[Sample]]]

COMMANDS: Final[dict[str, tuple[Bench, str]]] = {
    "fanout": (fanout.paced, "1,000 sockets, 20 messages a second to all: CPU per delivery and latency"),
    "flat": (fanout.flat_out, "200 sockets, 5,000 messages as fast as they can be published"),
    "memory": (fanout.memory, "memory of a signed-in, subscribed, idle connection"),
    "growth": (fanout.growth, "CPU per delivery from 100 to 10,000 sockets; channels and nodes"),
    "durable": (durable.durable, "durable sends: latency and throughput against bare Postgres"),
    "storm": (storm.storm, "10,000 screens reconnect at once, with positions"),
    "rest": (rest.rest, "a list of 20 rows against a bare FastAPI route"),
    "login": (login.login, "answers on a socket while others sign in to the same process"),
}


def main(arguments: list[str]) -> int:
    """Run the benchmarks named, or all; print the tables; 1 when one could not be run."""
    listing = "\n".join(f"  {name:<8} {what}" for name, (_, what) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Benchmarks, each with a command of its own:\n" + listing,
        epilog="Figures are saved in var/bench/results.json, but not those with --sockets or --peer.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", nargs="*", metavar="COMMAND", help="some of the above (default: all)")
    parser.add_argument("--long", action="store_true", help="more repeats, longer runs")
    parser.add_argument("--sockets", type=int, help="another number of sockets (fanout, flat, memory, storm)")
    parser.add_argument("--peer", action="append", default=[], choices=[peer.key for peer in PEERS], help="these only")
    parser.add_argument("--table", action="store_true", help="measure nothing: the tables and picture of what is saved")
    parser.add_argument("--docs", action="store_true", help="put tables and picture into docs/performance.md as well")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.command if name not in COMMANDS]
    if unknown:
        parser.error(f"there is no benchmark called {unknown[0]}")
    results = tools.PLACE / "results.json"
    code = 0
    if not chosen.table:
        options = Options(chosen.long, tuple(chosen.peer), chosen.sockets)
        code = _run(chosen.command or list(COMMANDS), options, results)
    if results.exists():
        found = json.loads(results.read_text())
        print_tables(found)
        draw(results, tools.PLACE / "bench.svg")
        if chosen.docs:
            write_tables(found, _PAGE)
            draw(results, _PAGE.parent / "images" / "bench.svg")
    return code


def _run(names: list[str], options: Options, results: Path) -> int:
    code = 0
    start = time.monotonic()
    with stage() as servers:
        for name in names:
            run, what = COMMANDS[name]
            say(f"{name}: {what}")
            begin = time.monotonic()
            try:
                found = run(servers, options)
            except BenchError as reason:
                say(f"  could not be measured: {reason}")
                code = 1
                continue
            if options.is_standard:
                save(results, {name: found})
            say(f"  ({time.monotonic() - begin:.0f} s)")
    say(f"all in {time.monotonic() - start:.0f} s")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
