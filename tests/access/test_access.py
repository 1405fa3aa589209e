"""Every route and every command of a socket, asked by every party: nobody gets in where they do not belong."""

import asyncio
import re
from typing import Any, Final

import httpx
import pytest

from core.access import PUBLIC, Party
from hub.access import socket_policies
from hub.frames import ClientFrame
from ops.access_table import PAGE, render, rest_policies
from ops.checkout import ROOT
from tests.access.asking import ask
from tests.access.requests import REQUESTS
from tests.access.world import World, create_world
from tests.support.web import TestSocket, WebProcess, open_socket

REST: Final = rest_policies()
API: Final = [route for route in REST if " /api/" in route or route == "GET /metrics"]
# The state of the thing, not who asks: they were let through.
LET_THROUGH: Final = frozenset({200, 201, 202, 204, 409})
REFUSED: Final = frozenset(
    {"AUTHENTICATION", "AUTHORIZATION", "INSUFFICIENT_SCOPE", "RESOURCE_NOT_FOUND", "NOT_SUBSCRIBED"}
)


def test_every_route_names_a_policy() -> None:
    assert [route for route, policy in REST.items() if policy is None] == []


def test_every_command_names_a_policy() -> None:
    words = {command.partition(" ")[0] for command in socket_policies()}
    assert words == {frame.__name__.lower() for frame in ClientFrame.__args__}


def test_roles_are_compared_in_policies_only() -> None:
    """One place a room where it is decided who may: every other comparison would be a second one."""
    compared = re.compile(r"actor\.role (==|!=|in|not in) ")
    files = [file for folder in ("api", "domain", "hub", "workers") for file in (ROOT / folder).rglob("*.py")]
    elsewhere = [file for file in files if file.name != "policy.py" and compared.search(file.read_text("utf-8"))]
    assert [str(file.relative_to(ROOT)) for file in elsewhere] == []


def test_the_page_is_not_old() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "make it anew: python -m ops access-table"


def test_no_request_is_kept_for_a_route_that_is_gone() -> None:
    assert set(REQUESTS) <= set(REST)


def test_pages_and_documents_are_public() -> None:
    assert {route for route in REST if route not in API and REST[route] != PUBLIC} == set()


def _is_right(status: int, party: Party, *, may: bool) -> bool:
    if may:
        return status in LET_THROUGH
    # A screen's key is not even looked at where a token of another kind is asked for.
    return status in {Party.NOBODY: {401}, Party.DEVICE: {401, 403, 404}}.get(party, {403, 404})


@pytest.mark.parametrize("route", API)
async def test_a_route_lets_through_those_of_its_policy(http: httpx.AsyncClient, world: World, route: str) -> None:
    policy = REST[route]
    assert policy is not None
    # Signing out ends the session with which it is asked: last, and by people of its own.
    asked = await create_world(world.runtime) if "/logout" in route else world
    statuses = {party: (await ask(http, asked, route, party)).status for party in Party}
    wrong = {
        party: status for party, status in statuses.items() if not _is_right(status, party, may=party in policy.parties)
    }
    assert wrong == {}, f"{policy.name}: {policy.sentence}"


@pytest.mark.parametrize("route", [route for route in API if route.startswith("GET ") and REST[route] != PUBLIC])
@pytest.mark.parametrize("party", [Party.OTHER_STAFF, Party.OTHER_PATIENT])
async def test_lists_hold_nothing_of_others(http: httpx.AsyncClient, world: World, route: str, party: Party) -> None:
    """Being let through is not enough: what is answered names nothing that belongs to somebody else."""
    await world.notification_id()
    patient = world.people[Party.PATIENT]
    theirs = {world.thread_id, patient.id, await world.patient_id(), (await world.ticket()).id}
    if party == Party.OTHER_STAFF:
        theirs |= {world.clinic.clinic_id, world.clinic.queue_id, *world.clinic.counter_ids}
    answer = await ask(http, world, route, party)
    assert [str(one) for one in theirs if str(one) in answer.text] == []
    assert patient.email not in answer.text


async def _commands(socket: TestSocket, world: World, party: Party) -> dict[str, dict[str, Any]]:
    patient, person = world.people[Party.PATIENT], world.people.get(party)
    thread = f"thread:{world.thread_id}"
    return {
        "hello": await socket.ask(type="hello"),
        "auth": await socket.ask(type="auth", token=person.access_token if person else "none"),
        "subscribe board:{id}": await socket.subscribe(f"board:{world.clinic.queue_id}"),
        "subscribe thread:{id}": await socket.subscribe(thread),
        "subscribe user:{id}": await socket.subscribe(f"user:{patient.id}"),
        "send": await socket.ask(type="send", channel=thread, key=f"{thread}:{party}", body="Good morning"),
        "read": await socket.ask(type="read", channel=thread, seq=1),
        "typing": await socket.ask(type="typing", channel=thread, on=True),
        "unsubscribe": await socket.ask(type="unsubscribe", channel=thread),
    }


@pytest.mark.parametrize("party", Party)
async def test_a_socket_obeys_the_same_policies(web: WebProcess, world: World, party: Party) -> None:
    person = world.people.get(party)
    async with open_socket(web.url, person.access_token if person else None) as socket:
        answers = await _commands(socket, world, party)
    policies = socket_policies()
    assert set(answers) == set(policies)
    wrong = {}
    for command, answer in answers.items():
        outcome = answer.get("error_code", "ok")
        expected = {"ok"} if party in policies[command].parties else REFUSED
        if outcome not in expected:
            wrong[command] = outcome
    assert wrong == {}


async def test_a_stranger_learns_nothing_of_a_thread(web: WebProcess, world: World) -> None:
    """The negative control: what a participant sends reaches the other one, and nobody else who asked for it."""
    channel = f"thread:{world.thread_id}"
    people = world.people
    async with (
        open_socket(web.url, people[Party.ADVISOR].access_token) as advisor,
        open_socket(web.url, people[Party.OTHER_PATIENT].access_token) as stranger,
    ):
        await advisor.subscribe(channel)
        await stranger.subscribe(channel)
        async with open_socket(web.url, people[Party.PATIENT].access_token) as patient:
            sent = await patient.ask(type="send", channel=channel, key="secret", body="Only for you")
        assert (await advisor.until(type="event", seq=sent["seq"]))["data"]["message"]["body"] == "Only for you"
        await asyncio.gather(stranger.until(type="heartbeat"), advisor.until(type="heartbeat"))
        assert [frame for frame in stranger.seen if frame["type"] in {"event", "subscribed"}] == []
