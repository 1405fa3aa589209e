"""Asking one route as one party."""

from typing import NamedTuple

import httpx

import tests.access.requests_identity  # noqa: F401 - registers requests
from core.access import Party
from tests.access.requests import request_of
from tests.access.world import World


class Answer(NamedTuple):
    """What came back; of a stream that goes on, the head only."""

    status: int
    text: str


async def ask(http: httpx.AsyncClient, world: World, route: str, party: Party) -> Answer:
    """Send that route a request that would go well, if only the right party sent it."""
    method, path = route.split(" ")
    call = await request_of(route)(world, party)
    for name, value in call.path.items():
        path = path.replace(f"{{{name}}}", str(value))
    assert "{" not in path, f"tests/access/requests.py does not say what to put into {path}"
    person = world.people.get(party)
    # A sign-in before this one has left its cookie.
    http.cookies.clear()
    async with http.stream(
        method,
        path,
        params=call.query,
        json=call.json,
        data=call.form,
        headers=person.bearer if person else {},
    ) as answer:
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            await answer.aread()
        return Answer(answer.status_code, answer.text if answer.is_stream_consumed else "")
