"""``python -m ops simulate``: a living demo. Patients arrive, staff call, people chat, through the public API only."""

import argparse
import asyncio
import contextlib
import json
import random
import signal
import sys
from collections.abc import Generator
from dataclasses import dataclass
from itertools import count
from typing import Any, Final
from uuid import uuid4

import httpx
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from core.settings import get_settings
from ops.checkout import VAR

_QUESTIONS: Final = (
    "Hello, is the clinic open on Saturday?",
    "May I bring my daughter along?",
    "How long does a blood test take?",
    "I may be ten minutes late, is that all right?",
    "Where can I park?",
)
_ANSWERS: Final = (
    "Good morning! Yes, from nine to twelve.",
    "Of course, there is a play corner next to Desk 1.",
    "About ten minutes, plus the wait that the board shows.",
    "No problem, thank you for telling us.",
    "Behind the house; the first hour is free.",
)


class SimulationError(Exception):
    """The demo cannot run; the message is for people."""


@dataclass(frozen=True)
class Pace:
    """Mean seconds between things that happen."""

    arrival: float
    service: float
    chat: float

    @classmethod
    def at(cls, speed: float) -> "Pace":
        """``speed`` 1 is brisk enough to watch."""
        return cls(arrival=6 / speed, service=9 / speed, chat=12 / speed)


def _say(text: str) -> None:
    print(text, flush=True)


async def _pause(mean: float) -> None:
    await asyncio.sleep(min(random.expovariate(1 / mean), 4 * mean))


class Account(httpx.Auth):
    """Signs in when it has no token or the token has expired: the demo may run for days."""

    requires_response_body = True

    def __init__(self, url: str, email: str, password: str) -> None:
        """Nothing is sent before the first request."""
        self._token_url = f"{url}/api/v1/auth/token"
        self._form = {"username": email, "password": password}
        self.token = ""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """httpx calls this for each request."""
        if self.token:
            request.headers["Authorization"] = f"Bearer {self.token}"
            response = yield request
            if response.status_code != 401:
                return
        answer = yield httpx.Request("POST", self._token_url, data=self._form)
        if answer.status_code != 200:
            raise SimulationError(f"{self._form['username']} cannot sign in: {answer.json().get('detail')}")
        self.token = answer.json()["access_token"]
        request.headers["Authorization"] = f"Bearer {self.token}"
        yield request


async def _arrivals(desk: httpx.AsyncClient, queues: list[dict[str, Any]], pace: Pace) -> None:
    while True:
        queue = random.choice(queues)  # noqa: S311
        body = {"queue_id": queue["id"], "priority": random.choice([0, 0, 0, 0, 3])}  # noqa: S311
        if random.random() < 0.4:  # noqa: S311
            # These people wait outside, and are called by SMS. 555-01xx numbers are reserved for fiction.
            body["phone"] = f"+120255501{random.randrange(100):02d}"  # noqa: S311
        taken = await desk.post("/api/v1/queue/tickets", json=body)
        if taken.status_code == 201:
            ticket = taken.json()
            _say(f"  {ticket['code']}  takes a number in {queue['name']}, position {ticket['position']}")
        else:
            _say(f"  no number in {queue['name']}: {taken.json()['detail']}")
        await _pause(pace.arrival)


async def _counter(desk: httpx.AsyncClient, queue: dict[str, Any], counter: dict[str, Any], pace: Pace) -> None:
    """One desk: call, wait for the person, serve, say goodbye; now and then nobody comes."""
    while True:
        await _pause(pace.service / 3)
        called = await desk.post("/api/v1/queue/call-next", json={"queue_id": queue["id"], "counter_id": counter["id"]})
        if called.status_code != 200:
            # Nobody waits, or we were too quick: look again when somebody may have come.
            await _pause(pace.arrival)
            continue
        ticket = called.json()
        _say(f"  {ticket['code']}  please come to {counter['name']}")
        await _pause(pace.service / 3)
        if random.random() < 0.1:  # noqa: S311
            await _change(desk, ticket, "no_show")
            continue
        await _change(desk, ticket, "serving")
        await _pause(pace.service)
        await _change(desk, ticket, "completed")


async def _change(desk: httpx.AsyncClient, ticket: dict[str, Any], status: str) -> None:
    response = await desk.patch(f"/api/v1/queue/{ticket['id']}/status", json={"status": status})
    if response.status_code == 200:
        _say(f"  {ticket['code']}  {status.replace('_', ' ')}")


class Talker:
    """Somebody with a socket in one thread."""

    def __init__(self, name: str, socket: ClientConnection, channel: str) -> None:
        """A connected socket and the thread's channel."""
        self.name = name
        self._socket = socket
        self._channel = channel
        self._ids = count()

    async def _send(self, **frame: Any) -> None:
        await self._socket.send(msgspec.json.encode({"channel": self._channel, **frame}).decode())

    async def begin(self) -> None:
        """Follow the thread."""
        await self._send(type="subscribe", id=f"s{next(self._ids)}")

    async def write(self, body: str, pace: Pace) -> None:
        """Type for a moment, then send."""
        await self._send(type="typing", on=True)
        await _pause(pace.chat / 6)
        await self._send(type="send", id=f"m{next(self._ids)}", key=uuid4().hex, body=body)
        _say(f"  {self.name}: {body}")

    async def read_along(self) -> None:
        """Read each message as it comes."""
        async for text in self._socket:
            frame = msgspec.json.decode(text)
            if frame["type"] == "event" and frame["name"] == "message.sent":
                await self._send(type="read", seq=frame["seq"])


async def _chat(url: str, accounts: dict[str, Account], clients: dict[str, httpx.AsyncClient], pace: Pace) -> None:
    """The patient asks, the advisor answers, in two sockets."""
    await clients["Advisor"].get("/api/v1/users/me")
    thread_id = (await clients["Patient"].post("/api/v1/chat/initiate", json={})).json()["chat_id"]
    address = url.replace("http", "ws", 1) + "/api/v1/ws"
    async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        talkers = []
        for name in ("Patient", "Advisor"):
            headers = {"Authorization": f"Bearer {accounts[name].token}"}
            socket = await stack.enter_async_context(connect(address, additional_headers=headers))
            talkers.append(Talker(name, socket, f"thread:{thread_id}"))
            await talkers[-1].begin()
            group.create_task(talkers[-1].read_along())
        while True:
            for question, answer in zip(_QUESTIONS, _ANSWERS, strict=True):
                await talkers[0].write(question, pace)
                await _pause(pace.chat / 2)
                await talkers[1].write(answer, pace)
                await _pause(pace.chat)


async def simulate(url: str, people: dict[str, dict[str, str]], pace: Pace) -> None:
    """Go on until cancelled. Raises ``SimulationError`` when the product is not there."""
    accounts = {
        who: Account(url, people[who]["email"], people[who]["password"]) for who in ("Front desk", "Patient", "Advisor")
    }
    clients = {who: httpx.AsyncClient(base_url=url, timeout=10, auth=account) for who, account in accounts.items()}
    desk = clients["Front desk"]
    clinic = (await desk.get("/api/v1/clinics")).json()["items"][0]
    queues = (await desk.get(f"/api/v1/clinics/{clinic['id']}/queues")).json()
    for queue in queues:
        _say(f"Board of {queue['name']}: {url}/board/{queue['id']}")
    async with asyncio.TaskGroup() as group:
        group.create_task(_arrivals(desk, queues, pace))
        for index, counter in enumerate(queues[0]["counters"]):
            group.create_task(_counter(desk, queues[index % len(queues)], counter, pace))
        group.create_task(_chat(url, accounts, clients, pace))


def main(arguments: list[str]) -> int:
    """Simulate until Ctrl-C or for ``--seconds``; 1 with a sentence when the product is not there."""
    parser = argparse.ArgumentParser(
        prog="python -m ops simulate", description="Let patients arrive, staff call and people chat."
    )
    parser.add_argument("--url", default=None, help="where the product runs (default: what make run started)")
    parser.add_argument("--speed", type=float, default=1.0, help="2 is twice as fast")
    parser.add_argument("--seconds", type=float, default=None, help="stop after so long (default: Ctrl-C)")
    chosen = parser.parse_args(arguments)
    try:
        people = {person["who"]: person for person in json.loads((VAR / "demo.json").read_text(encoding="utf-8"))}
    except FileNotFoundError:
        sys.stderr.write("There is no demo clinic yet: start the product with `make run` first.\n")
        return 1
    try:
        asyncio.run(_run(chosen.url or _running_url(), people, Pace.at(chosen.speed), chosen.seconds))
    except SimulationError as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    return 0


def _running_url() -> str:
    with contextlib.suppress(FileNotFoundError):
        url: str = json.loads((VAR / "run.json").read_text(encoding="utf-8"))["url"]
        return url
    return get_settings().public_url


async def _run(url: str, people: dict[str, dict[str, str]], pace: Pace, seconds: float | None) -> None:
    simulating = asyncio.create_task(simulate(url, people, pace))
    # Python leaves Ctrl-C alone where the parent ignored it, as shells do for what they run in the background.
    for stroke in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(stroke, simulating.cancel)
    try:
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(seconds):
                await simulating
    except* SimulationError as failures:
        raise _first(failures) from None
    except* (httpx.TransportError, OSError, ConnectionClosed):
        raise SimulationError(f"Nobody answers at {url} (any more).") from None


def _first(failures: ExceptionGroup[SimulationError]) -> SimulationError:
    failure = failures.exceptions[0]
    return _first(failure) if isinstance(failure, ExceptionGroup) else failure
