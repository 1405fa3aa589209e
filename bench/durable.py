"""Durable messages: from one client's send to the other's screen, and how many a second, against bare Postgres."""

import asyncio
import re
import subprocess
import time
from pathlib import Path
from statistics import median
from typing import Final
from uuid import uuid4

import asyncpg
import msgspec

from bench import tools
from bench.load import NUMBER, STAMP, Clients, load, text_frame
from bench.options import Options, Sample
from bench.processes import BenchError
from bench.report import say
from bench.stage import Conversation, Person, Stage
from ops.embedded.programs import postgres_programs

_RATE: Final = 200
_THREADS: Final = 100
_TEXT: Final = "Please come to room 3 at ten o'clock. "

# The rows of one message, in one statement and one transaction: the quickest way that there is to commit them.
_ROWS: Final = """
WITH head AS (
    UPDATE streams SET head = head + 1 WHERE channel = {channel} RETURNING id, head
), message AS (
    INSERT INTO messages (id, thread_id, seq, sender_id, key, body)
    SELECT gen_random_uuid(), {thread}, head, {sender}, CAST(gen_random_uuid() AS text), {body} FROM head
)
INSERT INTO events (stream_id, seq, name, data, at, actor)
SELECT id, head, 'message.sent', CAST({data} AS jsonb), now(), 'bench' FROM head
"""


def durable(stage: Stage, options: Options) -> dict[str, list[Sample]]:
    """Latency at 200 sends a second over 100 threads, then flat out; ours and bare Postgres in turns."""
    asyncio.run(_prepare(stage))
    found: dict[str, list[Sample]] = {"bare": [], "paced": [], "pgbench": [], "flat": []}
    for _ in range(options.repeats - 1):
        found["bare"].append({"p50_ms": asyncio.run(_bare_commits(stage, int(_RATE * options.seconds)))})
        found["paced"].append(_paced(stage, int(_RATE * options.seconds)))
        say(
            f"  bare commit p50 {found['bare'][-1]['p50_ms']:.2f} ms; send to the other's screen"
            f" p50 {found['paced'][-1]['p50_ms']:.2f} p99 {found['paced'][-1]['p99_ms']:.2f} ms"
        )
        found["pgbench"].append(_pgbench(stage, 3 if options.is_long else 2))
        found["flat"].append(_flat_out(stage, 10_000 if options.is_long else 2000))
        say(
            f"  pgbench {found['pgbench'][-1]['per_second']:,.0f}/s with {found['pgbench'][-1]['clients']} clients;"
            f" socket to ack {found['flat'][-1]['per_second']:,.0f}/s, {found['flat'][-1]['cpu_us']:,.0f} us CPU each"
        )
    return found


def _clients(talks: list[Conversation], *, with_readers: bool) -> Clients:
    """First the patients and advisors who write, then the other side of each thread, which reads."""
    writers = [(talk, talk.patient) for talk in talks]
    readers = [(talk, talk.advisor) for talk in talks]
    if not with_readers:
        writers, readers = writers + readers, []
    run = uuid4().hex[:8].encode()  # keys are never used twice, not even by the next run
    sends = [
        text_frame(
            b'{"type":"send","id":"s%b","channel":"thread:%b","key":"%b-%b","body":"%b~ %b"}'
            % (NUMBER, str(talk.thread_id).encode(), run, NUMBER, STAMP, (_TEXT * 3).encode())
        )
        for talk, _ in writers
    ]
    # Writers follow nothing: what comes back to them is the ack.
    hellos = [_hello("unsubscribe", talk) for talk, _ in writers] + [_hello("subscribe", talk) for talk, _ in readers]
    headers = [_bearer(person) for _, person in writers + readers]
    return Clients("/api/v1/ws", headers, hellos, sends, ready='"id":"1"', senders=len(writers))


def _hello(command: str, talk: Conversation) -> bytes:
    return text_frame(msgspec.json.encode({"type": command, "id": "1", "channel": f"thread:{talk.thread_id}"}))


def _bearer(person: Person) -> bytes:
    return f"Authorization: Bearer {person.token}\r\n".encode()


def _paced(stage: Stage, count: int) -> Sample:
    clients = _clients(stage.conversations[:_THREADS], with_readers=True)
    with stage.web() as web, load(tools.program("load"), stage.folder, web.port, clients, 2 * _THREADS) as made:
        made.send(_RATE, _RATE, expected=_RATE)  # the first second makes connections and plans
        before = web.cpu_seconds()
        found = made.send(count, _RATE, expected=count)
        cpu = web.cpu_seconds() - before
    if not found["deliveries"]:
        raise BenchError("nothing arrived")
    if found["deliveries"] < count:
        late = count - found["deliveries"]
        say(f"  of {count} sends {found['errors']} were refused and {late} did not arrive in time")
    return {
        "p50_ms": found["p50_ms"],
        "p99_ms": found["p99_ms"],
        "ack_p50_ms": found["ack_p50_ms"],
        "ack_p99_ms": found["ack_p99_ms"],
        "cpu_us": cpu / count * 1e6,
        "refused": found["errors"],
        "missing": count - found["deliveries"],
    }


def _flat_out(stage: Stage, count: int) -> Sample:
    clients = _clients(stage.conversations[:_THREADS], with_readers=False)
    with stage.web() as web, load(tools.program("load"), stage.folder, web.port, clients, 2 * _THREADS) as made:
        made.send(400, 0, expected=0)
        before = web.cpu_seconds()
        found = made.send(count, 0, expected=0)
        cpu = web.cpu_seconds() - before
    if not found["acks"]:
        raise BenchError(f"no send was acknowledged, {found['errors']} were refused")
    return {"per_second": found["acks"] / found["seconds"], "cpu_us": cpu / found["acks"] * 1e6,
            "ack_p50_ms": found["ack_p50_ms"], "ack_p99_ms": found["ack_p99_ms"]}  # fmt: skip


async def _prepare(stage: Stage) -> None:
    """Threads of their own for the bare commits, with a number each, so that no web process looks after them."""
    connection = await asyncpg.connect(stage.postgres.url)
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS bench_threads"
        " (number int PRIMARY KEY, channel text NOT NULL, thread uuid NOT NULL, sender uuid NOT NULL)"
    )
    rows = [
        (number, f"thread:{talk.thread_id}", talk.thread_id, talk.patient.user_id)
        for number, talk in enumerate(stage.conversations[_THREADS:])
    ]
    await connection.executemany("INSERT INTO bench_threads VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", rows)
    await connection.execute("INSERT INTO streams (channel) SELECT channel FROM bench_threads ON CONFLICT DO NOTHING")
    await connection.close()


async def _bare_commits(stage: Stage, count: int) -> float:
    """Median of the milliseconds that a commit of the same rows takes, at the same pace, over a pool of 10."""
    statement = _ROWS.format(channel="$1", thread="$2", sender="$3", body="$4", data="CAST($5 AS text)")
    body = _TEXT * 3
    data = msgspec.json.encode({"message": {"body": body}}).decode()
    talks = stage.conversations[_THREADS:]
    took: list[float] = []

    async def commit(pool: "asyncpg.Pool[asyncpg.Record]", number: int) -> None:
        talk = talks[number % len(talks)]
        async with pool.acquire() as connection:
            begin = time.perf_counter()
            await connection.execute(
                statement, f"thread:{talk.thread_id}", talk.thread_id, talk.patient.user_id, body, data
            )
            took.append((time.perf_counter() - begin) * 1000)

    async with asyncpg.create_pool(stage.postgres.url, min_size=10, max_size=10) as pool:
        begin = time.perf_counter()
        running = []
        for number in range(count):
            await asyncio.sleep(max(0.0, begin + number / _RATE - time.perf_counter()))
            running.append(asyncio.create_task(commit(pool, number)))
        await asyncio.gather(*running)
    return median(took[len(took) // 10 :])


def _pgbench(stage: Stage, seconds: int) -> Sample:
    """The same rows, one transaction each, at the number of clients with which this machine is quickest."""
    script = stage.folder / "rows.sql"
    chosen = "(SELECT {0} FROM bench_threads WHERE number = :number)"
    data = msgspec.json.encode({"message": {"body": _TEXT * 3}}).decode().replace("'", "''")
    body = "'" + (_TEXT * 3).replace("'", "''") + "'"
    rows = _ROWS.format(
        channel=chosen.format("channel"), thread=chosen.format("thread"), sender=chosen.format("sender"),
        body=body, data=f"'{data}'",
    )  # fmt: skip
    one_line = " ".join(rows.split())
    script.write_text(f"\\set number random(0, {_THREADS - 1})\n{one_line};\n")
    runs = [(clients, _pgbench_run(stage, script, clients, seconds)) for clients in (16, 32, 64)]
    clients, per_second = max(runs, key=lambda run: run[1])
    return {"per_second": per_second, "clients": clients, "all": dict(runs)}


def _pgbench_run(stage: Stage, script: Path, clients: int, seconds: int) -> float:
    program = postgres_programs(None) / "pgbench"
    options = ["-n", "-M", "prepared", "-c", str(clients), "-j", "2", "-T", str(seconds), "-f", str(script)]
    result = subprocess.run([str(program), *options, stage.postgres.url], capture_output=True, text=True, check=False)
    found = re.search(r"tps = ([0-9.]+)", result.stdout)
    if not found:
        raise BenchError(f"pgbench said: {result.stderr[-500:]}")
    return float(found[1])
