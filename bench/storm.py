"""A reconnect storm: thousands of screens lose their sockets and come back at the same moment, each with its place."""

import http.client
import threading
import time
from typing import Final

from bench import tools
from bench.load import load
from bench.options import Options, Sample
from bench.peers import board_clients, board_feed, board_visitors
from bench.processes import BenchError
from bench.report import say
from bench.stage import Stage

_MISSED: Final = 10
_STORM_BOARD, _OTHER_BOARD = 2, 1
_BYSTANDERS: Final = 100


class Visitor(threading.Thread):
    """Asks for a board over HTTP every 50 ms, all along."""

    def __init__(self, port: int, path: str) -> None:
        """Begins at ``start``."""
        super().__init__(daemon=True)
        self._port, self._path = port, path
        self._is_over = threading.Event()
        self.took_ms: list[float] = []

    def run(self) -> None:
        """Until ``finish``."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        while not self._is_over.wait(0.05):
            begin = time.perf_counter()
            connection.request("GET", self._path)
            connection.getresponse().read()
            self.took_ms.append((time.perf_counter() - begin) * 1000)

    def finish(self) -> float:
        """End; the 99th percentile in milliseconds."""
        self._is_over.set()
        self.join()
        ordered = sorted(self.took_ms)
        return ordered[int(len(ordered) * 0.99)] if ordered else float("nan")


def storm(stage: Stage, options: Options) -> dict[str, list[Sample]]:
    """10,000 screens come back at once; meanwhile 100 other sockets are sent to 20 times a second."""
    screens = options.sockets or 10_000
    sample = _storm(stage, screens)
    say(
        f"  {screens:,} screens: all current after {sample['seconds']:.1f} s ({sample['cpu_us']:,.0f} us CPU each),"
        f" other sockets p99 {sample['other_p99_ms']:,.0f} ms, REST p99 {sample['rest_p99_ms']:,.0f} ms,"
        f" missing {sample['missing']}, {sample['retries']} tried again"
    )
    return {"storm": [sample]}


def _storm(stage: Stage, screens: int) -> Sample:
    clients = board_visitors(stage, _STORM_BOARD, stage.position(f"board:{stage.boards[_STORM_BOARD]}"))
    program = tools.program("load")
    with (
        stage.web() as web,
        load(program, stage.folder, web.port, board_clients(stage, _OTHER_BOARD), _BYSTANDERS) as others,
        load(program, stage.folder, web.port, clients, screens) as crowd,
    ):
        crowd.tell("drop")
        crowd.answer()
        # While they are away, people draw tickets: committed, then published, as always.
        stage.take_tickets(_STORM_BOARD, _MISSED)
        visitor = Visitor(web.port, f"/api/v1/queues/{stage.boards[_OTHER_BOARD]}/board")
        visitor.start()
        others.publish(board_feed(stage, _OTHER_BOARD), _paced_count(crowd.opened["seconds"]), 20.0)
        before = web.cpu_seconds()
        crowd.tell("return")
        back = crowd.answer()
        cpu = web.cpu_seconds() - before
        rest = visitor.finish()
        meanwhile = others.answer()
    if back["ready"] < screens:
        raise BenchError(f"only {back['ready']} of {screens} screens came back")
    return {
        "screens": screens,
        "seconds": back["seconds"],
        "p50_ms": back["p50_ms"],
        "p99_ms": back["p99_ms"],
        "retries": back["retries"],
        "cpu_us": cpu / screens * 1e6,
        "missing": screens * _MISSED - back["resumed_events"] + meanwhile["expected"] - meanwhile["deliveries"],
        "other_p99_ms": meanwhile["p99_ms"],
        "rest_p99_ms": rest,
    }


def _paced_count(seconds: float) -> int:
    """Messages at 20 a second that last about as long as the storm will: coming back costs what coming costs."""
    return max(20, int(20 * seconds))
