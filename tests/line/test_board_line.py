"""Stale client state + events == fresh snapshot, for boards, over random sequences of actions."""

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import streams
from core.actor import SYSTEM
from core.errors import Refusal
from core.runtime import Runtime
from domain.queueing import actions, queries
from domain.queueing.events import board_channel
from domain.queueing.rules import TicketStatus
from tests.builders import Clinic, create_clinic, take_ticket
from tests.line.fold_board import comparable, fold

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(0, 2)),
        st.tuples(st.just("call"), st.integers(0, 1)),
        st.tuples(st.just("change"), st.tuples(st.integers(0, 9), st.sampled_from(list(TicketStatus)))),
    ),
    min_size=1,
    max_size=12,
)


async def _act(runtime: Runtime, clinic: Clinic, tickets: list[Any], kind: str, argument: Any) -> None:
    try:
        async with runtime.transactions.begin(SYSTEM) as unit:
            if kind == "take":
                ticket = await actions.take_ticket(unit, clinic.queue_id, channel="walk_in", priority=argument)
                tickets.append(ticket.id)
            elif kind == "call":
                await actions.call_next(unit, clinic.queue_id, clinic.counter_ids[argument])
            elif tickets:
                index, status = argument
                counter = clinic.counter_ids[0] if status in {"called", "serving"} else None
                await actions.change_status(unit, tickets[index % len(tickets)], status, counter_id=counter)
    except Refusal:
        # A refused step changes nothing, and the comparison below would show it if it did.
        return


async def _snapshot(runtime: Runtime, clinic: Clinic) -> tuple[int, dict[str, Any]]:
    channel = board_channel(clinic.queue_id)
    async with runtime.database.snapshot() as session:
        position = await streams.position(session, channel)
        state = await queries.board_snapshot(session, clinic.queue_id)
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(state))
    return position.seq, decoded


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=STEPS, after=STEPS)
async def test_a_stale_board_catches_up_by_events(
    runtime: Runtime, before: list[tuple[str, Any]], after: list[tuple[str, Any]]
) -> None:
    clinic = await create_clinic(runtime)
    tickets: list[Any] = [await take_ticket(runtime, clinic.queue_id)]
    for kind, argument in before:
        await _act(runtime, clinic, tickets, kind, argument)
    seq, state = await _snapshot(runtime, clinic)
    for kind, argument in after:
        await _act(runtime, clinic, tickets, kind, argument)
    fresh_seq, fresh = await _snapshot(runtime, clinic)
    channel = board_channel(clinic.queue_id)
    async with runtime.database.session() as session:
        entries = (await streams.read(session, {channel: seq}, 1000))[channel]
    assert [entry.seq for entry in entries] == list(range(seq + 1, fresh_seq + 1))
    for entry in entries:
        state = fold(state, entry.name, msgspec.json.decode(entry.data))
    assert comparable(state) == comparable(fresh)
