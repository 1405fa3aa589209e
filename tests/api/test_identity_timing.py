"""Who asks learns from no answer, and from no waiting, whether an address has an account.

By construction: the same statements and the same work of bcrypt. By measurement: ratios of medians, in turns.
"""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

import bcrypt
import httpx
import pytest
from sqlalchemy import event, update

from api.app import create_app
from core.runtime import Runtime
from core.settings import Settings
from domain.identity.passwords import matches
from models import User
from tests.conftest import running
from tests.people import PASSWORD, create_person, some_email

COST: Final = 9
LOGIN: Final[tuple[str, dict[str, str]]] = ("/api/v1/auth/login", {"password": "not the password"})
FORGOT: Final[tuple[str, dict[str, str]]] = ("/api/v1/auth/forgot", {})
ROUNDS: Final = 15


@dataclass
class Work:
    """What a request had done: statements without their values, and rounds of bcrypt."""

    statements: list[str] = field(default_factory=list)
    rounds: int = 0


@pytest.fixture
async def cheap(settings: Settings) -> AsyncIterator[Runtime]:
    """A product whose hashes cost little, so that many are tried; a wrong word more is no lock."""
    async with running(settings.model_copy(update={"bcrypt_cost": COST, "login_failures": 1000})) as made:
        yield made


@pytest.fixture
async def cheap_client(cheap: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    """A client of that product."""
    transport = httpx.ASGITransport(create_app(cheap))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as made:
        yield made


async def known_email(runtime: Runtime, cost: int) -> str:
    """The address of somebody whose password was hashed at that cost."""
    person = await create_person(runtime)
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(cost)).decode()
    async with runtime.transactions.begin() as unit:
        await unit.session.execute(update(User).where(User.id == person.id).values(password_hash=hashed))
    return person.email


@contextmanager
def counted(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    """All work that is done meanwhile; bcrypt and Postgres themselves are asked as ever."""
    work, engine, check = Work(), runtime.database.engine.sync_engine, bcrypt.checkpw

    def note_statement(_: Any, __: Any, statement: str, *___: Any) -> None:
        work.statements.append(statement)

    def note_rounds(password: bytes, hashed: bytes) -> bool:
        work.rounds += 2 ** int(hashed.split(b"$")[2])
        return check(password, hashed)

    event.listen(engine, "before_cursor_execute", note_statement)
    monkeypatch.setattr(bcrypt, "checkpw", note_rounds)
    try:
        yield work
    finally:
        monkeypatch.setattr(bcrypt, "checkpw", check)
        event.remove(engine, "before_cursor_execute", note_statement)


@pytest.mark.parametrize(("path", "body"), [LOGIN, FORGOT], ids=["login", "forgot"])
@pytest.mark.parametrize("cost", [COST, COST - 3], ids=["usual hash", "old hash"])
async def test_the_same_work_is_done_for_an_address_without_an_account(
    cheap: Runtime,
    cheap_client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    body: dict[str, str],
    cost: int,
) -> None:
    done, answers = [], []
    for email in (await known_email(cheap, cost), some_email()):
        with counted(cheap, monkeypatch) as work:
            answers.append(await cheap_client.post(path, json={**body, "email": email}))
        done.append(work)
    assert done[0] == done[1]
    assert done[0].statements
    assert done[0].rounds == (2**COST if path == LOGIN[0] else 0)
    assert answers[0].status_code == answers[1].status_code
    assert answers[0].json().get("detail") == answers[1].json().get("detail")


async def test_the_same_work_is_done_while_the_address_is_locked(
    runtime: Runtime, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []
    for email in ((await create_person(runtime)).email, some_email()):
        body = {"email": email, "password": ""}
        for _ in range(runtime.settings.login_failures):
            await client.post(LOGIN[0], json={**body, "password": "x" * 100})
        with counted(runtime, monkeypatch) as work:
            assert (await client.post(LOGIN[0], json={**body, "password": PASSWORD})).status_code == 429
        done.append(work)
    assert done[0] == done[1]
    assert done[0].rounds == 0


@pytest.mark.parametrize(("path", "body"), [LOGIN, FORGOT], ids=["login", "forgot"])
async def test_the_answers_take_equally_long(
    cheap: Runtime, cheap_client: httpx.AsyncClient, path: str, body: dict[str, str]
) -> None:
    """Without the hash of nobody an unknown address is answered ten times as fast."""
    known = await known_email(cheap, COST)
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(ROUNDS):
        for is_known in (True, False):
            begin = time.perf_counter()
            await cheap_client.post(path, json={**body, "email": known if is_known else some_email()})
            seconds[is_known].append(time.perf_counter() - begin)
    ratio = median(seconds[True]) / median(seconds[False])
    assert 1 / 2 < ratio < 2


async def test_a_right_password_of_an_old_hash_is_right(cheap: Runtime) -> None:
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    assert await matches(PASSWORD, hashed, COST)
    assert not await matches("another", hashed, COST)
    assert not await matches(PASSWORD, None, COST)
