"""The OpenAPI document taken at its word: whatever it allows, and whatever it forbids, is answered as it says.

A few examples each in ``make test``; ``make fuzz`` goes on for longer (FUZZ_EXAMPLES for each operation and person).
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from core.access import Party
from core.actor import Role
from core.runtime import Runtime
from core.settings import Settings
from ops.web import create_app
from tests.access.world import World, create_world
from tests.people import create_person
from tests.support.web import WebProcess, web_process

EXAMPLES: Final = int(os.environ.get("FUZZ_EXAMPLES", "0"))
CHECKS: Final = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)
SCHEMA: Final = schemathesis.openapi.from_dict(create_app(Settings(_env_file=None, environment="test")).openapi())
# A stream of events has no end to wait for; tests/hub/test_sse.py reads it.
OPERATIONS: Final = {
    operation.label: operation
    for operation in (result.ok() for result in SCHEMA.get_all_operations() if isinstance(result, Ok))
    if not operation.path.endswith("/events")
}
PEOPLE: Final = {"admin": Role.ADMIN, "patient": Role.PATIENT, "nobody": None}
MODES: Final = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
# What ``make test`` asks in all: half a minute, however many routes there will be.
REQUESTS_IN_ALL: Final = 1_200
FEW: Final = max(1, REQUESTS_IN_ALL // (len(OPERATIONS) * len(PEOPLE) * len(MODES)))


@pytest.fixture(scope="module")
async def web(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WebProcess]:
    """The API as it is served."""
    async with web_process(settings, tmp_path_factory.mktemp("fuzz"), bcrypt_cost=4) as running:
        yield running


@pytest.fixture(scope="module")
async def world(runtime: Runtime) -> World:
    """Something that is there to be found."""
    return await create_world(runtime)


def _known(world: World) -> dict[str, str]:
    """What parameters and fields of these names may be, so that not all ends with 404."""
    return {
        "clinic_id": str(world.clinic.clinic_id),
        "queue_id": str(world.clinic.queue_id),
        "counter_id": str(world.clinic.counter_ids[0]),
        "thread_id": str(world.thread_id),
        "doctor_id": str(world.people[Party.DOCTOR].id),
        "user_id": str(world.people[Party.OTHER_PATIENT].id),
    }


def _fill(case: Case[Any], known: dict[str, str]) -> None:
    for part in (case.path_parameters, case.query, case.body):
        if isinstance(part, dict):
            part.update({name: value for name, value in known.items() if name in part})


def _run(
    operation: APIOperation[Any, Any, Any, Any],
    mode: GenerationMode,
    examples: int,
    ask: Callable[[Case[Any], bool], None],
) -> None:
    # The same examples each time where a failure would stop everybody's work; new ones in a long run.
    chosen = settings(
        max_examples=examples,
        deadline=None,
        derandomize=not EXAMPLES,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    chosen(given(operation.as_strategy(generation_mode=mode), st.booleans())(ask))()


@pytest.mark.timeout(120 + EXAMPLES * 10)
@pytest.mark.parametrize("role", PEOPLE.values(), ids=PEOPLE.keys())
@pytest.mark.parametrize("label", OPERATIONS)
async def test_answers_are_those_of_the_document(
    web: WebProcess, world: World, runtime: Runtime, label: str, role: Role | None
) -> None:
    operation = OPERATIONS[label]
    # A session of its own: an operation may end it.
    person = await create_person(runtime, role) if role else None
    headers = person.bearer if person else {}
    known = _known(world)

    def ask(case: Case[Any], is_filled: bool) -> None:
        if is_filled:
            _fill(case, known)
        response = case.call(base_url=web.url, headers=headers, session=session, timeout=30)
        case.validate_response(response, checks=list(CHECKS))

    # What takes no input cannot be asked wrongly.
    takes_input = not {"parameters", "requestBody"}.isdisjoint(operation.definition.raw)
    modes = MODES if takes_input else MODES[:1]
    with requests.Session() as session:
        for mode in modes:
            await asyncio.to_thread(_run, operation, mode, EXAMPLES or FEW, ask)
