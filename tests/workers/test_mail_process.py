"""A forgotten password from the request to the new sign-in: web process, Redis, worker, mail server, and back."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest
from pydantic import SecretStr

from core.runtime import Runtime
from core.settings import Settings
from ops.embedded.redis import EmbeddedRedis
from tests.people import PASSWORD, create_person, some_email
from tests.support.smtp_server import Inbox, smtp_server
from tests.support.web import eventually, web_process
from tests.workers.processes import worker
from tests.workers.test_mail import smtp_settings

NEW: Final = "a password of today"


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """A mail server with no letters."""
    with smtp_server() as made:
        yield made


@pytest.fixture
def mailing(settings: Settings, inbox: Inbox, tmp_path: Path) -> Iterator[Settings]:
    """Of processes with that mail server, and a Redis that has no other workers."""
    with EmbeddedRedis(tmp_path / "redis") as redis:
        yield smtp_settings(settings, inbox, redis_url=SecretStr(redis.url), bcrypt_cost=4)


async def test_a_forgotten_password_by_letter(
    runtime: Runtime, mailing: Settings, inbox: Inbox, tmp_path: Path
) -> None:
    person, stranger = await create_person(runtime), some_email()
    async with (
        worker(mailing, tmp_path) as celery,
        web_process(mailing, tmp_path) as web,
        httpx.AsyncClient(base_url=f"{web.url}/api/v1") as client,
    ):
        for email in (stranger, person.email.upper()):
            assert (await client.post("/auth/forgot", json={"email": email})).status_code == 202
        await eventually(lambda: not inbox.letters.empty())
        letter = inbox.letters.get_nowait()
        assert letter["To"] == person.email
        body = letter.get_payload(decode=True)
        assert isinstance(body, bytes)
        token = re.search(r"/reset#token=(\S+)", body.decode())
        assert token is not None
        assert token[1] not in celery.log.read_text() + web.log.read_text()
        reset = {"token": token[1], "password": NEW}
        assert [(await client.post("/auth/reset", json=reset)).status_code for _ in range(2)] == [200, 400]
        words = {"email": person.email, "password": NEW}
        assert (await client.post("/auth/login", json=words | {"password": PASSWORD})).status_code == 401
        assert (await client.post("/auth/login", json=words)).status_code == 200
        assert inbox.letters.empty()
