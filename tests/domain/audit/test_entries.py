"""Entries are written with the thing or not at all, and never change."""

from uuid import uuid4

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DBAPIError

from core.actor import Role
from core.errors import Conflict
from core.ids import new_id
from core.runtime import Runtime
from domain.audit.actions import write_entry
from domain.audit.rules import AuditAction
from domain.identity.events import UserChanged
from models import AuditEntry
from tests.people import create_person


async def _entries(runtime: Runtime, subject: str) -> list[AuditEntry]:
    async with runtime.database.session() as session:
        return list(
            await session.scalars(select(AuditEntry).where(AuditEntry.subject == subject).order_by(AuditEntry.id))
        )


async def test_an_entry_says_who_did_what_to_what(runtime: Runtime) -> None:
    doctor = await create_person(runtime, Role.DOCTOR)
    subject = f"record:{new_id()}"
    async with runtime.transactions.begin(doctor.actor) as unit:
        write_entry(unit, AuditAction.RECORD_READ, subject, {"version": "3"})
    (entry,) = await _entries(runtime, subject)
    assert (entry.action, entry.actor_id, entry.actor_role) == ("record.read", doctor.id, "doctor")
    assert (entry.facts, entry.at) == ({"version": "3"}, unit.at)


async def test_what_is_rolled_back_leaves_no_entry(runtime: Runtime) -> None:
    subject = f"record:{new_id()}"
    with pytest.raises(Conflict):
        async with runtime.transactions.begin() as unit:
            write_entry(unit, AuditAction.RECORD_READ, subject)
            raise Conflict
    assert await _entries(runtime, subject) == []


@pytest.mark.parametrize(
    "change",
    [
        update(AuditEntry).values(action="nothing.happened"),
        delete(AuditEntry),
        delete(AuditEntry).where(AuditEntry.id == uuid4()),
        text("TRUNCATE audit_entries"),
    ],
    ids=["update", "delete", "delete nothing", "truncate"],
)
async def test_the_database_refuses_to_change_or_delete(runtime: Runtime, change: object) -> None:
    with pytest.raises(DBAPIError, match="audit_entries is append-only"):
        async with runtime.transactions.begin() as unit:
            await unit.session.execute(change)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ({"role": "advisor"}, [("user.role_changed", {"role": "advisor", "role_before": "staff"})]),
        ({"is_active": False}, [("user.deactivated", {})]),
        ({"was_active": False}, [("user.reactivated", {})]),
        ({}, []),
    ],
)
async def test_changes_of_an_account_are_entries(
    runtime: Runtime, after: dict[str, object], expected: list[tuple[str, dict[str, str]]]
) -> None:
    admin = await create_person(runtime, Role.ADMIN)
    before = {"role": "staff", "role_before": "staff", "is_active": True, "was_active": True}
    user_id = new_id()
    async with runtime.transactions.begin(admin.actor) as unit:
        unit.emit(UserChanged(user_id=user_id, **{**before, **after}))  # type: ignore[arg-type]
    entries = await _entries(runtime, f"user:{user_id}")
    assert [(entry.action, entry.facts) for entry in entries] == expected
    assert {entry.actor_id for entry in entries} <= {admin.id}
