"""``python -m ops seed``: the demo clinic, for a database that has nobody in it yet.

Every person in it is invented. It refuses in production: its passwords are known.
"""

import argparse
import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from sqlalchemy import select

import domain.wiring  # noqa: F401 - rooms react to each other's events
from core.actor import Actor, Role
from core.runtime import Runtime
from core.settings import Settings, get_settings
from core.tasks import NoTasks
from core.unit_of_work import Transactions
from domain.chat import actions as chat
from domain.clinics import actions as clinics
from domain.identity import actions as identity
from domain.queueing import actions as queueing
from models import User
from ops.checkout import ROOT

PASSWORD: Final = "ring-the-bell"  # noqa: S105 - printed at every start, and never used in production


@dataclass(frozen=True)
class Person:
    """Somebody of the demo: ``page`` is where they begin."""

    who: str
    email: str
    name: str
    role: Role
    page: str
    phone: str | None = None


PEOPLE: Final = (
    Person("Administrator", "admin@demo.carebell.example", "Ada Minister", Role.ADMIN, "/staff"),
    Person("Front desk", "desk@demo.carebell.example", "Dana Desk", Role.STAFF, "/staff"),
    Person("Doctor", "doctor@demo.carebell.example", "Dr. Robin Reyes", Role.DOCTOR, "/staff"),
    Person("Advisor", "advisor@demo.carebell.example", "Avery Advisor", Role.ADVISOR, "/chat"),
    # 555-01xx numbers are reserved for fiction.
    Person("Patient", "patient@demo.carebell.example", "Pat Sample", Role.PATIENT, "/chat", "+12025550143"),
)
_QUEUES: Final = (("General practice", "A", 360), ("Laboratory", "B", 180))
_COUNTERS: Final = ("Desk 1", "Desk 2", "Room 3")


async def seed(settings: Settings) -> list[dict[str, str]] | None:
    """Fill an empty database; None when somebody is in it already. Returns what ``var/demo.json`` holds."""
    runtime = Runtime(settings, NoTasks())
    runtime.start()
    try:
        return await _seed(runtime.transactions)
    finally:
        await runtime.close()


async def _seed(transactions: Transactions) -> list[dict[str, str]] | None:
    async with transactions.begin() as unit:
        if await unit.session.scalar(select(User.id).limit(1)) is not None:
            return None
        users = {}
        for person in PEOPLE:
            user = await identity.create_user(
                unit, email=person.email, password=PASSWORD, name=person.name, role=person.role, phone=person.phone
            )
            users[person.who] = user.id
        await unit.session.flush()
        clinic = await clinics.create_clinic(unit, "Riverside Clinic", "America/New_York", "Springfield")
        for who in ("Front desk", "Doctor"):
            await clinics.add_member(unit, clinic.id, users[who])
        queues = [
            await queueing.create_queue(unit, clinic.id, name, prefix, average_service_seconds=seconds)
            for name, prefix, seconds in _QUEUES
        ]
        counters = [await queueing.create_counter(unit, clinic.id, name) for name in _COUNTERS]
        for queue in queues:
            for _ in range(4):
                await queueing.take_ticket(unit, queue.id, channel="walk_in")
    async with transactions.begin() as unit:
        await queueing.call_next(unit, queues[0].id, counters[0].id)
    await _first_words(transactions, users)
    screens = [{"who": f"Board {queue.prefix}", "page": f"/board/{queue.id}"} for queue in queues]
    return [{"who": p.who, "email": p.email, "password": PASSWORD, "page": p.page} for p in PEOPLE] + screens


async def _first_words(transactions: Transactions, users: dict[str, UUID]) -> None:
    """A conversation to look at; the messages go the way that all messages go."""
    patient = Actor(user_id=users["Patient"], role=Role.PATIENT)
    advisor = Actor(user_id=users["Advisor"], role=Role.ADVISOR)
    async with transactions.begin(patient) as unit:
        thread = (await chat.initiate_support(unit)).thread
    lines = (
        (patient, "Hello! Do I need to fast before a blood test?"),
        (advisor, "Good morning. Please do not eat for eight hours before; water is fine."),
    )
    for number, (actor, body) in enumerate(lines):
        async with transactions.begin(actor) as unit:
            await chat.send_message(unit, thread.id, f"demo-{number}", body)


def main(arguments: list[str]) -> int:
    """Seed and write ``var/demo.json``; 0 also when there is nothing to do, 1 in production."""
    argparse.ArgumentParser(
        prog="python -m ops seed", description="Fill an empty database with a demo clinic."
    ).parse_args(arguments)
    settings = get_settings()
    if not settings.is_development:
        sys.stderr.write("The demo clinic has known passwords: it is not for production.\n")
        return 1
    demo = asyncio.run(seed(settings))
    if demo is not None:
        path = Path(ROOT) / "var" / "demo.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(demo, indent=2) + "\n")
    return 0
