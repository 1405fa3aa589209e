"""Fan-out: one message to many sockets, paced or as fast as it goes, and how its cost grows with the sockets."""

import time
from collections.abc import Callable
from contextlib import ExitStack

from bench import tools
from bench.load import Clients, load
from bench.options import Options, Sample
from bench.peers import FLOOR, OURS, Peer, board_visitors, chosen, redis_feed, visitors_of
from bench.processes import BenchError
from bench.report import say
from bench.stage import Stage
from bench.tables import CHANNELS, NODES, SIZES

_PACE = 20.0
_GROWTH_RATE = 20_000.0  # deliveries a second, whatever the number of sockets
_FLAT_SOCKETS = 200


def measure(
    stage: Stage,
    peer: Peer,
    sockets: int,
    count: int,
    rate: float,
    *,
    grace: float = 3.0,
    clients: Clients | None = None,
) -> Sample:
    """One run in a server of its own: CPU of the server per delivery, latency from PUBLISH to the socket's client."""
    program = tools.program("load")
    with (
        peer.start(stage) as process,
        load(program, stage.folder, process.port, clients or peer.clients(stage), sockets) as made,
    ):
        time.sleep(0.3)  # what connecting has left to do is not what is measured
        before = process.cpu_seconds()
        made.publish(peer.feed(stage), count, rate, grace=grace)
        found = made.answer()
        cpu = process.cpu_seconds() - before
    delivered = found["deliveries"]
    if not delivered:
        raise BenchError("nothing was delivered")
    return {
        "cpu_us": cpu / delivered * 1e6,
        "p50_ms": found["p50_ms"],
        "p99_ms": found["p99_ms"],
        "per_second": delivered / found["seconds"],
        "deliveries": delivered,
        "missing": found["expected"] - delivered,
        "sockets_lost": found["lost"],
    }


def paced(stage: Stage, options: Options) -> dict[str, list[Sample]]:
    """1,000 sockets, 20 messages a second to all; the floor and ours in turns, several times."""
    sockets = options.sockets or 1000

    def run(peer: Peer) -> Sample:
        # Those that cannot keep up work off for long what they are behind: they get a second of it.
        seconds = 1.0 if peer.is_slow and not options.is_long else options.seconds
        return measure(stage, peer, sockets, int(_PACE * seconds), _PACE)

    return _in_turns(stage, options, run)


def flat_out(stage: Stage, options: Options) -> dict[str, list[Sample]]:
    """200 sockets, 5,000 messages as fast as they can be published; 1,500 to those that are slower."""
    sockets = options.sockets or _FLAT_SOCKETS
    return _in_turns(stage, options, lambda peer: measure(stage, peer, sockets, peer.flat_out, 0, grace=2.0))


def _in_turns(stage: Stage, options: Options, run: Callable[[Peer], Sample]) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = {}
    for repeat in range(options.repeats):
        for peer in chosen(options.peers):
            if repeat and peer not in (FLOOR, OURS) and (peer.is_slow or not options.is_long):
                continue
            try:
                sample = run(peer)
            except BenchError as reason:
                say(f"  {peer.title}: left out, {reason}")
                continue
            found.setdefault(peer.key, []).append(sample)
            say(
                f"  {peer.title:<42} {sample['cpu_us']:8.2f} us CPU  p99 {sample['p99_ms']:8.1f} ms"
                f"  {sample['per_second']:>12,.0f}/s" + (f"  missing {sample['missing']}" if sample["missing"] else "")
            )
    return found


def growth(stage: Stage, options: Options) -> dict[str, list[Sample]]:
    """20,000 deliveries a second over 100, 1,000 and 10,000 sockets; foreign streams, channels and nodes."""
    found: dict[str, list[Sample]] = {}
    for sockets in SIZES:
        rate = _GROWTH_RATE / sockets
        for repeat in range(2 if options.is_long else 1):
            for peer in (FLOOR, OURS):
                joined = board_visitors(stage, 0) if peer is OURS else None
                sample = measure(stage, peer, sockets, int(rate * options.seconds), rate, clients=joined)
                found.setdefault(f"{peer.key} {sockets}", []).append(sample)
                say(f"  {peer.title:<42} {sockets:>6} sockets {sample['cpu_us']:8.2f} us CPU (run {repeat + 1})")
    found["foreign"] = [foreign_streams(stage, options)]
    stage.add_boards(1 + max(CHANNELS))
    found |= {f"channels {others}": [_beside_channels(stage, options, others)] for others in CHANNELS}
    found |= {f"nodes {nodes}": [_on_nodes(stage, options, nodes)] for nodes in NODES}
    return found


def _beside_channels(stage: Stage, options: Options, others: int) -> Sample:
    """100 sockets follow a board, 900 follow others: CPU per delivery on that board, and of the node when idle."""
    follows = [0] * 100 + [1 + number % others for number in range(900)]
    clients, program = visitors_of(stage, follows), tools.program("load")
    count = int(_PACE * 10 * options.seconds)
    # Idle in a process of its own, which compares heads: what is in Redis alone it would take for a restored database.
    with (
        stage.web(HUB_HEADS_SECONDS="1") as process,
        load(program, stage.folder, process.port, clients, len(follows)),
    ):
        time.sleep(1)
        before = process.cpu_seconds()
        time.sleep(options.seconds)
        idle_ms = (process.cpu_seconds() - before) / options.seconds * 1000
    with stage.web() as process, load(program, stage.folder, process.port, clients, len(follows)) as made:
        time.sleep(0.3)
        before = process.cpu_seconds()
        made.publish(OURS.feed(stage), count, _PACE * 10, expected=count * follows.count(0))
        delivered = made.answer()["deliveries"]
        cpu_us = (process.cpu_seconds() - before) / delivered * 1e6
    say(f"  {others:>6} other channels: {cpu_us:.2f} us CPU a delivery, idle {idle_ms:.1f} ms CPU a second")
    return {"cpu_us": cpu_us, "idle_ms": idle_ms}


def _on_nodes(stage: Stage, options: Options, nodes: int) -> Sample:
    """1,000 sockets of one board, shared among that many nodes: CPU of all of them per delivery."""
    count, each, program = int(_PACE * options.seconds), 1000 // nodes, tools.program("load")
    with ExitStack() as stack:
        processes = [stack.enter_context(stage.web()) for _ in range(nodes)]
        crowds = [
            stack.enter_context(load(program, stage.folder, process.port, board_visitors(stage, 0), each))
            for process in processes
        ]
        time.sleep(0.3)
        before = sum(process.cpu_seconds() for process in processes)
        crowds[0].publish(OURS.feed(stage), count, _PACE)
        crowds[0].answer()
        cpu_us = (sum(process.cpu_seconds() for process in processes) - before) / (count * each * nodes) * 1e6
    say(f"  {nodes:>6} nodes, 1,000 sockets: {cpu_us:.2f} us CPU a delivery")
    return {"cpu_us": cpu_us}


def foreign_streams(stage: Stage, options: Options) -> Sample:
    """CPU of an idle node with one socket, alone and while 1,000 events a second go to channels of other nodes."""
    seconds = options.seconds
    with (
        stage.web(HUB_HEADS_SECONDS="1") as process,
        load(tools.program("load"), stage.folder, process.port, OURS.clients(stage), 1) as made,
    ):
        elsewhere = redis_feed(stage, "carebell:board:elsewhere", b"0 1 {}")
        spent = []
        for rate in (0.25, 1000.0):
            time.sleep(0.5)
            before = process.cpu_seconds()
            made.publish(elsewhere, max(2, int(rate * seconds)), rate, expected=0)
            made.answer()
            spent.append((process.cpu_seconds() - before) / seconds * 1000)
    say(f"  idle node: {spent[0]:.1f} ms CPU a second; beside 1,000 foreign events a second: {spent[1]:.1f}")
    return {"idle_ms": spent[0], "foreign_ms": spent[1]}


def memory(stage: Stage, options: Options) -> dict[str, list[Sample]]:
    """Resident memory per connection: the difference that 2,000 more make, when 100 are there already."""
    sockets = options.sockets or (5000 if options.is_long else 2000)
    found: dict[str, list[Sample]] = {}
    for peer in chosen(options.peers):
        try:
            found[peer.key] = [_memory(stage, peer, sockets)]
        except BenchError as reason:
            say(f"  {peer.title}: left out, {reason}")
            continue
        sample = found[peer.key][0]
        say(
            f"  {peer.title:<42} {sample['bytes'] / 1024:6.1f} KiB per connection, {sample['opened_per_second']:,.0f}/s"
        )
    return found


def _memory(stage: Stage, peer: Peer, sockets: int) -> Sample:
    program = tools.program("load")
    with peer.start(stage) as process:
        clients = peer.clients(stage)
        with load(program, stage.folder, process.port, clients, 100):
            time.sleep(0.5)
            before = process.memory_bytes()
            cpu = process.cpu_seconds()
            with load(program, stage.folder, process.port, clients, sockets) as made:
                cpu = process.cpu_seconds() - cpu
                time.sleep(1)
                after = process.memory_bytes()
    return {
        "bytes": (after - before) / sockets,
        "opened_per_second": sockets / made.opened["seconds"],
        "open_cpu_us": cpu / sockets * 1e6,
    }
