"""Whatever shows a person's data to somebody else is written down, each time, and no route can forget it."""

from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest
from sqlalchemy import func, select

from core.access import AUDIT_KEY, POLICIES, POLICY_KEY, PUBLIC, Party
from core.settings import Settings
from domain.audit.rules import AuditAction
from models import AuditEntry
from ops.access_table import audited_routes, rest_policies
from ops.web import create_app
from tests.access.asking import ask
from tests.access.world import World

AUDITED: Final = audited_routes()
DOCUMENT: Final[dict[str, Any]] = create_app(Settings(_env_file=None, environment="test")).openapi()
# Fields by which data are those of a person, whatever the room that shows them calls its shape.
PERSONAL: Final = frozenset(
    {
        *("email", "phone", "mobile_no", "patient", "patient_id", "patient_name", "date_of_birth", "emergency_contact"),
        *("blood_group", "blood_type", "allergies", "medical_history", "diagnosis", "diagnoses", "treatment_plan"),
        *("prescription", "prescriptions", "policy_number", "claim_id"),
    }
)


def _fields(document: dict[str, Any], part: object, seen: set[str]) -> Iterator[str]:
    """The names of all fields that a shape can have, however deep."""
    if isinstance(part, list):
        for item in part:
            yield from _fields(document, item, seen)
    if not isinstance(part, dict):
        return
    name = str(part.get("$ref", "")).rpartition("/")[2]
    if name and name not in seen:
        seen.add(name)
        yield from _fields(document, document["components"]["schemas"][name], seen)
    yield from part.get("properties", {})
    for inner in part.values():
        yield from _fields(document, inner, seen)


def _shows_somebody_else(document: dict[str, Any], path: str, operation: dict[str, Any]) -> bool:
    policy = POLICIES[operation[POLICY_KEY]]
    if not path.startswith("/api/") or "/dev/" in path or policy.is_own:
        return False
    found = [answer.get("content", {}) for status, answer in operation["responses"].items() if status.startswith("2")]
    # A file has no fields to look at: it counts as an export of what it may hold.
    is_file = any(set(content) != {"application/json"} for content in found if content)
    return (is_file and policy != PUBLIC) or not PERSONAL.isdisjoint(_fields(document, found, set()))


def unaudited(document: dict[str, Any]) -> list[str]:
    """The routes that show data of others and write nothing down."""
    return [
        f"GET {path}"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method == "get" and AUDIT_KEY not in operation and _shows_somebody_else(document, path, operation)
    ]


def test_what_shows_data_of_others_names_its_word_in_the_audit() -> None:
    assert unaudited(DOCUMENT) == []


@pytest.mark.parametrize("route", ["GET /api/v1/users/{user_id}", "GET /api/v1/queue/current", "GET /api/v1/users"])
def test_a_route_that_forgets_it_is_found(route: str) -> None:
    """The negative control."""
    method, path = route.lower().split(" ")
    operation = {name: value for name, value in DOCUMENT["paths"][path][method].items() if name != AUDIT_KEY}
    assert unaudited({**DOCUMENT, "paths": {path: {method: operation}}}) == [route]


def test_a_file_that_forgets_it_is_found() -> None:
    """The same for exports, of whose fields the document says nothing."""
    export = {POLICY_KEY: "administrators", "responses": {"200": {"content": {"text/csv": {}}}}}
    assert unaudited({"paths": {"/api/v1/analytics/daily": {"get": export}}}) == ["GET /api/v1/analytics/daily"]


def test_the_words_are_those_of_the_audit() -> None:
    assert set(AUDITED.values()) <= set(AuditAction)


async def _written(world: World, party: Party, action: str) -> int:
    wanted = select(func.count()).where(AuditEntry.actor_id == world.people[party].id, AuditEntry.action == action)
    async with world.runtime.database.session() as session:
        return await session.scalar(wanted) or 0


@pytest.mark.parametrize("route", AUDITED)
async def test_each_look_is_written_down_and_a_refusal_as_one(
    http: httpx.AsyncClient,
    world: World,
    route: str,
) -> None:
    policy = rest_policies()[route]
    assert policy is not None
    for party in set(Party) - {Party.NOBODY}:
        looks, refusals = [await _written(world, party, word) for word in (AUDITED[route], "access.refused")]
        may = party in policy.parties
        assert ((await ask(http, world, route, party)).status == 200) is may, party
        assert await _written(world, party, AUDITED[route]) - looks == int(may), party
        assert await _written(world, party, AuditAction.ACCESS_REFUSED) - refusals == int(not may), party
