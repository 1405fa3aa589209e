"""Sign-ins do not stall sockets: the answers to commands on a socket, while others hash passwords in the same process.

A bcrypt of cost 12 takes a quarter of a second of a core. Done on the event loop, every socket would wait that long.
"""

import asyncio
import time
from typing import Any, Final

import bcrypt
import httpx
import msgspec
from websockets.asyncio.client import ClientConnection, connect

from bench.options import Options, Sample
from bench.processes import BenchError, Process
from bench.report import say
from bench.stage import Stage
from core.actor import Role
from domain.identity.actions import create_user

_EMAIL: Final = "signs-in@bench.example"
_PASSWORD: Final = "a password to hash"  # noqa: S105 - of a database that lives for minutes
_SIGN_INS_AT_ONCE: Final = 4
_PAUSE_SECONDS: Final = 0.01


def login(stage: Stage, options: Options) -> dict[str, list[Sample]]:
    """Quiet and with sign-ins, in turns."""
    asyncio.run(_register(stage))
    hash_ms = _hash_ms()
    found: dict[str, list[Sample]] = {"quiet": [], "sign-ins": []}
    with stage.web() as web:
        for _ in range(options.repeats):
            for name, count in (("quiet", 0), ("sign-ins", _SIGN_INS_AT_ONCE)):
                found[name].append({**asyncio.run(_measure(web, options.seconds, count)), "hash_ms": hash_ms})
                say(
                    "  {}: p50 {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms, longest {longest_ms:.1f} ms".format(
                        name, **found[name][-1]
                    )
                )
    say(f"  one hash takes {hash_ms:.0f} ms of a core")
    return found


async def _register(stage: Stage) -> None:
    async with stage.runtime() as runtime, runtime.transactions.begin() as unit:
        await create_user(unit, email=_EMAIL, password=_PASSWORD, name="Signs In", role=Role.STAFF)


def _hash_ms() -> float:
    begin = time.process_time()
    bcrypt.hashpw(_PASSWORD.encode(), bcrypt.gensalt(12))
    return (time.process_time() - begin) * 1000


async def _measure(web: Process, seconds: float, sign_ins: int) -> Sample:
    ended = asyncio.Event()
    url = f"http://127.0.0.1:{web.port}"
    async with httpx.AsyncClient(base_url=url, timeout=60) as client, connect(f"ws{url[4:]}/api/v1/ws") as socket:
        await _ask(socket, {"type": "hello", "id": "hello"})
        busy = [asyncio.create_task(_sign_in(client, ended)) for _ in range(sign_ins)]
        waits = await _answers(socket, seconds)
        ended.set()
        done = sum(await asyncio.gather(*busy))
    if sign_ins and not done:
        raise BenchError("nobody signed in meanwhile")
    return {
        "p50_ms": waits[len(waits) // 2],
        "p99_ms": waits[int(len(waits) * 0.99)],
        "longest_ms": waits[-1],
        "sign_ins_per_second": done / seconds,
    }


async def _sign_in(client: httpx.AsyncClient, ended: asyncio.Event) -> int:
    done = 0
    while not ended.is_set():
        response = await client.post("/api/v1/auth/token", data={"username": _EMAIL, "password": _PASSWORD})
        if response.status_code == 200:
            done += 1
        elif response.status_code != 429:
            raise BenchError(f"a sign-in was answered {response.status_code}")
    return done


async def _answers(socket: ClientConnection, seconds: float) -> list[float]:
    """How long each of many small commands waited for its answer, in ms, the shortest first."""
    waits: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.perf_counter()
        await _ask(socket, {"type": "unsubscribe", "id": str(len(waits)), "channel": "board:none"})
        waits.append((time.perf_counter() - begin) * 1000)
        await asyncio.sleep(_PAUSE_SECONDS)
    return sorted(waits)


async def _ask(socket: ClientConnection, frame: dict[str, Any]) -> None:
    await socket.send(msgspec.json.encode(frame).decode())
    while msgspec.json.decode(await socket.recv()).get("id") != frame["id"]:
        continue
