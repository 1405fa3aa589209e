"""Letters on their way out: worded, sent by a real mail server, tried again, and sent by one worker only."""

import asyncio
import re
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, update

from core.clock import now
from core.runtime import Runtime
from core.settings import Settings
from domain.identity import actions_passwords, letters
from domain.identity.errors import LinkNotValid
from domain.identity.letters import Letter
from models import Email, LocalMessage, PasswordReset
from tests.people import Person, create_person, some_email
from tests.support.smtp_server import PASSWORD, USERNAME, Inbox, smtp_server
from tests.support.web import WAIT_SECONDS
from workers.mail import send_email, sweep_emails
from workers.providers.base import Misconfigured, NoAnswer, Refused, TryLater
from workers.providers.mail import LocalMailer, Mailer, SmtpMailer, create_mailer


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """A mail server with no letters."""
    with smtp_server() as made:
        yield made


def smtp_settings(settings: Settings, inbox: Inbox, **changes: object) -> Settings:
    """As for the real one, except for the address, without encryption, and with a short patience."""
    reached = {"smtp_host": inbox.host, "smtp_port": inbox.port, "smtp_security": "none"}
    return settings.model_copy(
        update={**reached, "smtp_from": "Carebell <bell@clinic.example>", "smtp_timeout_seconds": 1.0, **changes}
    )


async def ask(runtime: Runtime, email: str) -> UUID:
    """Somebody forgot their password; the letter's id."""
    async with runtime.transactions.begin() as unit:
        await actions_passwords.ask_for_reset(unit, email)
        asked = unit.tasks[0]
    assert asked[0] == "workers.tasks.send_email"
    return UUID(asked[1][0])


async def state_of(runtime: Runtime, email_id: UUID) -> Email:
    async with runtime.database.session() as session:
        found = await session.get(Email, email_id)
    assert found is not None
    return found


async def make_due(runtime: Runtime, email_id: UUID) -> None:
    """Its time has come."""
    async with runtime.transactions.begin() as unit:
        await unit.session.execute(
            update(Email).where(Email.id == email_id).values(due_at=now() - timedelta(seconds=1))
        )


def some_letter(person: Person, email_id: UUID) -> Letter:
    return Letter(email_id, 1, person.email, "Hello", "A letter, with ümlauts.\n")


async def test_a_reset_letter_reaches_its_person_with_a_link_that_works(runtime: Runtime, inbox: Inbox) -> None:
    person = await create_person(runtime)
    email_id = await ask(runtime, person.email.upper())
    mailer = create_mailer(smtp_settings(runtime.settings, inbox), runtime.database)
    assert await send_email(runtime, mailer, email_id) == "sent"
    message = inbox.letters.get(timeout=WAIT_SECONDS)
    assert (message["To"], message["From"]) == (person.email, "Carebell <bell@clinic.example>")
    assert message["Message-ID"] == f"<{email_id}@clinic.example>"
    body = message.get_payload(decode=True)
    assert isinstance(body, bytes)
    link = re.search(r"http://localhost:8000/reset#token=(\S+)", body.decode())
    assert link is not None
    async with runtime.transactions.begin() as unit:
        await actions_passwords.reset_password(unit, link[1], "another password", runtime.settings)
    with pytest.raises(LinkNotValid):
        async with runtime.transactions.begin() as unit:
            await actions_passwords.reset_password(unit, link[1], "another password", runtime.settings)
    assert await send_email(runtime, mailer, email_id) is None
    assert inbox.letters.empty()


async def test_an_address_without_account_gets_no_letter(runtime: Runtime, inbox: Inbox) -> None:
    email_id = await ask(runtime, some_email())
    mailer = create_mailer(smtp_settings(runtime.settings, inbox), runtime.database)
    assert await send_email(runtime, mailer, email_id) is None
    assert (await state_of(runtime, email_id)).status == "suppressed"
    assert inbox.letters.empty()


async def test_of_workers_at_once_one_sends(runtime: Runtime, inbox: Inbox) -> None:
    person = await create_person(runtime)
    email_id = await ask(runtime, person.email)
    mailer = create_mailer(smtp_settings(runtime.settings, inbox), runtime.database)
    outcomes = await asyncio.gather(*(send_email(runtime, mailer, email_id) for _ in range(4)))
    assert sorted(map(str, outcomes)) == ["None", "None", "None", "sent"]
    assert inbox.letters.qsize() == 1


async def test_of_resets_asked_for_at_once_one_is_mailed(runtime: Runtime, inbox: Inbox) -> None:
    person = await create_person(runtime)
    asked = [await ask(runtime, person.email) for _ in range(4)]
    mailer = create_mailer(smtp_settings(runtime.settings, inbox), runtime.database)
    await asyncio.gather(*(send_email(runtime, mailer, email_id) for email_id in asked))
    assert inbox.letters.qsize() == 1
    async with runtime.database.session() as session:
        assert await session.scalar(select(func.count()).where(PasswordReset.user_id == person.id)) == 1


async def test_a_busy_server_is_asked_again_and_a_lost_task_is_found(runtime: Runtime, inbox: Inbox) -> None:
    person = await create_person(runtime)
    email_id = await ask(runtime, person.email)
    mailer = create_mailer(smtp_settings(runtime.settings, inbox), runtime.database)
    inbox.refuse_letters_with = "451 greylisted"
    assert await send_email(runtime, mailer, email_id) == "pending"
    state = await state_of(runtime, email_id)
    assert (state.error_code, state.attempts) == ("451", 1)
    assert state.due_at > now()
    inbox.refuse_letters_with = ""
    await make_due(runtime, email_id)
    async with runtime.transactions.begin() as unit:
        assert email_id in await letters.hand_out_overdue_letters(unit, 500)
        assert ("workers.tasks.send_email", (str(email_id),)) in unit.tasks
    await sweep_emails(runtime)
    assert await send_email(runtime, mailer, email_id) == "sent"
    assert inbox.letters.qsize() == 1


async def test_a_killed_workers_letter_is_taken_up_again(runtime: Runtime, inbox: Inbox) -> None:
    person = await create_person(runtime)
    email_id = await ask(runtime, person.email)
    async with runtime.transactions.begin() as unit:
        left_behind = await letters.claim_letter(unit, email_id, runtime.settings)
    assert left_behind is not None
    mailer = create_mailer(smtp_settings(runtime.settings, inbox), runtime.database)
    assert await send_email(runtime, mailer, email_id) is None
    await make_due(runtime, email_id)
    assert await send_email(runtime, mailer, email_id) == "sent"
    async with runtime.transactions.begin() as unit:
        assert await letters.conclude_letter(unit, left_behind, "LATE", is_final=True) is None
    assert (await state_of(runtime, email_id)).status == "sent"


async def test_an_address_that_cannot_be_reached_is_given_up(runtime: Runtime, inbox: Inbox) -> None:
    person = await create_person(runtime)
    email_id = await ask(runtime, person.email)
    inbox.refuse_recipients_with = "550 no such user"
    mailer = create_mailer(smtp_settings(runtime.settings, inbox), runtime.database)
    assert await send_email(runtime, mailer, email_id) == "failed"
    assert (await state_of(runtime, email_id)).error_code == "550"


async def test_without_a_mail_server_letters_are_in_the_outbox(runtime: Runtime) -> None:
    person = await create_person(runtime)
    mailer = create_mailer(runtime.settings, runtime.database)
    assert isinstance(mailer, LocalMailer)
    email_id = await ask(runtime, person.email)
    assert await send_email(runtime, mailer, email_id) == "sent"
    async with runtime.database.session() as session:
        kept = await session.scalar(select(LocalMessage).where(LocalMessage.email_id == email_id))
    assert kept is not None
    assert kept.to == person.email
    assert "/reset#token=" in kept.body


async def test_signing_in_to_the_server(runtime: Runtime) -> None:
    person = await create_person(runtime)
    email_id = await ask(runtime, person.email)
    with smtp_server(needs_sign_in=True) as inbox:
        changes = {"smtp_username": USERNAME, "smtp_password": SecretStr(PASSWORD)}
        await SmtpMailer(smtp_settings(runtime.settings, inbox, **changes)).send(some_letter(person, email_id))
        assert inbox.letters.qsize() == 1
        wrong = SmtpMailer(smtp_settings(runtime.settings, inbox, **changes | {"smtp_password": SecretStr("no")}))
        with pytest.raises(Misconfigured, match="535"):
            await wrong.send(some_letter(person, email_id))


async def test_faults_have_names(runtime: Runtime, inbox: Inbox) -> None:
    person = await create_person(runtime)
    letter = some_letter(person, await ask(runtime, person.email))
    inbox.refuse_letters_with = "554 spam"
    with pytest.raises(Refused, match="554"):
        await SmtpMailer(smtp_settings(runtime.settings, inbox)).send(letter)
    with pytest.raises(Misconfigured, match="encryption"):
        await SmtpMailer(smtp_settings(runtime.settings, inbox, smtp_security="starttls")).send(letter)
    with smtp_server() as gone:
        pass
    with pytest.raises(TryLater):
        await SmtpMailer(smtp_settings(runtime.settings, gone)).send(letter)


async def test_a_server_that_says_nothing_is_not_waited_for(runtime: Runtime) -> None:
    person = await create_person(runtime)
    letter = some_letter(person, await ask(runtime, person.email))
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    async with server:
        silent = Inbox(*server.sockets[0].getsockname()[:2])
        mailer: Mailer = SmtpMailer(smtp_settings(runtime.settings, silent, smtp_timeout_seconds=0.2))
        with pytest.raises(NoAnswer):
            await mailer.send(letter)
