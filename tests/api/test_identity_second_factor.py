"""Second factors over HTTP: setting up, signing in in two steps, replays, recovery codes, roles that need one."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pyotp
import pytest
from sqlalchemy import update

from api.app import create_app
from core.actor import Role
from core.clock import now
from core.runtime import Runtime
from core.settings import Settings
from domain.identity.actions import renew_session
from domain.identity.rules import read_refresh_token
from models import SecondFactor
from tests.api.test_identity import refusal
from tests.conftest import running
from tests.people import PASSWORD, Person, create_person

SECOND_FACTOR, LOGIN, TOKEN = "/api/v1/auth/second-factor", "/api/v1/auth/login", "/api/v1/auth/token"
ME, SESSIONS = "/api/v1/users/me", "/api/v1/auth/sessions"


@dataclass(frozen=True)
class Enrolled:
    """Somebody with an authenticator app."""

    person: Person
    secret: str
    recovery_codes: list[str]

    def code(self, steps_ahead: int = 0) -> str:
        """What the app shows, or will show: a clock may be one step ahead."""
        return pyotp.TOTP(self.secret).at(now() + timedelta(seconds=30 * steps_ahead))


async def enrol(client: httpx.AsyncClient, runtime: Runtime, role: Role = Role.STAFF) -> Enrolled:
    """Set a second factor up as its user does; afterwards no code has been used yet."""
    person = await create_person(runtime, role)
    begun = await client.post(SECOND_FACTOR, json={"password": PASSWORD}, headers=person.bearer)
    assert begun.status_code == 200
    secret = begun.json()["secret"]
    assert begun.json()["uri"].startswith("otpauth://totp/Carebell:")
    otp = {"otp": pyotp.TOTP(secret).at(now())}
    confirmed = await client.post(f"{SECOND_FACTOR}/confirm", json=otp, headers=person.bearer)
    assert confirmed.status_code == 200
    async with runtime.transactions.begin() as unit:
        await unit.session.execute(update(SecondFactor).where(SecondFactor.user_id == person.id).values(last_step=0))
    return Enrolled(person, secret, confirmed.json()["recovery_codes"])


async def login(client: httpx.AsyncClient, person: Person, **otp: str) -> httpx.Response:
    return await client.post(LOGIN, json={"email": person.email, "password": PASSWORD, **otp})


async def test_signing_in_in_two_steps(client: httpx.AsyncClient, runtime: Runtime) -> None:
    enrolled = await enrol(client, runtime)
    first = await login(client, enrolled.person)
    assert refusal(first) == (401, "SECOND_FACTOR_REQUIRED")
    assert "set-cookie" not in first.headers
    otp = enrolled.code()
    second = await login(client, enrolled.person, otp=f"{otp[:3]} {otp[3:]}")
    assert second.status_code == 200
    assert second.json()["user"]["id"] == str(enrolled.person.id)
    assert refusal(await login(client, enrolled.person, otp=otp)) == (401, "SECOND_FACTOR_INVALID")


async def test_api_clients_send_the_code_in_the_form(client: httpx.AsyncClient, runtime: Runtime) -> None:
    enrolled = await enrol(client, runtime)
    form = {"username": enrolled.person.email, "password": PASSWORD}
    assert refusal(await client.post(TOKEN, data=form)) == (401, "SECOND_FACTOR_REQUIRED")
    assert (await client.post(TOKEN, data=form | {"otp": enrolled.code()})).status_code == 200


async def test_of_sign_ins_with_one_code_one_wins(client: httpx.AsyncClient, runtime: Runtime) -> None:
    for enrolled, otp in [
        (one, one.code()) if kind == "app" else (one, one.recovery_codes[0])
        for kind, one in [("app", await enrol(client, runtime)), ("recovery", await enrol(client, runtime))]
    ]:
        answers = await asyncio.gather(*(login(client, enrolled.person, otp=otp) for _ in range(4)))
        assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]


async def test_a_code_from_before_the_last_one_is_refused(client: httpx.AsyncClient, runtime: Runtime) -> None:
    enrolled = await enrol(client, runtime)
    before = enrolled.code()
    assert (await login(client, enrolled.person, otp=enrolled.code(1))).status_code == 200
    assert refusal(await login(client, enrolled.person, otp=before)) == (401, "SECOND_FACTOR_INVALID")


@pytest.mark.parametrize("otp", ["000000", "", "not a code", "\x00", "🔔🔔🔔🔔🔔🔔", "1" * 40])
async def test_wrong_codes(client: httpx.AsyncClient, runtime: Runtime, otp: str) -> None:
    enrolled = await enrol(client, runtime)
    expected = "SECOND_FACTOR_INVALID" if otp else "SECOND_FACTOR_REQUIRED"
    assert refusal(await login(client, enrolled.person, otp=otp)) == (401, expected)


async def test_a_wrong_password_says_nothing_of_the_second_factor(client: httpx.AsyncClient, runtime: Runtime) -> None:
    enrolled = await enrol(client, runtime)
    wrong = {"email": enrolled.person.email, "password": "wrong password", "otp": enrolled.code()}
    assert refusal(await client.post(LOGIN, json=wrong)) == (401, "AUTHENTICATION")
    assert (await login(client, enrolled.person, otp=enrolled.code())).status_code == 200


async def test_recovery_codes_work_once_and_are_renewed(client: httpx.AsyncClient, runtime: Runtime) -> None:
    enrolled = await enrol(client, runtime)
    headers = enrolled.person.bearer
    code = enrolled.recovery_codes[3]
    assert (await login(client, enrolled.person, otp=code.lower().replace("-", " "))).status_code == 200
    assert refusal(await login(client, enrolled.person, otp=code)) == (401, "SECOND_FACTOR_INVALID")
    client.cookies.clear()
    state = await client.get(SECOND_FACTOR, headers=headers)
    assert state.json() == {"is_enabled": True, "is_required": False, "recovery_codes_left": 9}
    renewed = await client.post(f"{SECOND_FACTOR}/recovery-codes", json={"otp": enrolled.code()}, headers=headers)
    assert len(set(renewed.json()["recovery_codes"])) == 10
    old = await login(client, enrolled.person, otp=enrolled.recovery_codes[0])
    assert refusal(old) == (401, "SECOND_FACTOR_INVALID")


async def test_doing_without_again(client: httpx.AsyncClient, runtime: Runtime) -> None:
    enrolled = await enrol(client, runtime)
    headers = enrolled.person.bearer
    again = await client.post(SECOND_FACTOR, json={"password": PASSWORD}, headers=headers)
    assert refusal(again) == (409, "SECOND_FACTOR_EXISTS")
    wrong = await client.post(f"{SECOND_FACTOR}/disable", json={"otp": "000000"}, headers=headers)
    assert refusal(wrong) == (422, "SECOND_FACTOR_INVALID")
    gone = await client.post(f"{SECOND_FACTOR}/disable", json={"otp": enrolled.code()}, headers=headers)
    assert gone.status_code == 204
    assert (await login(client, enrolled.person)).status_code == 200
    client.cookies.clear()
    nothing = await client.post(f"{SECOND_FACTOR}/disable", json={"otp": "000000"}, headers=headers)
    assert refusal(nothing) == (409, "NO_SECOND_FACTOR")


async def test_setting_up_needs_the_password_and_a_right_code(client: httpx.AsyncClient, runtime: Runtime) -> None:
    person = await create_person(runtime)
    wrong = await client.post(SECOND_FACTOR, json={"password": "wrong password"}, headers=person.bearer)
    assert refusal(wrong) == (422, "SECOND_FACTOR_INVALID")
    early = await client.post(f"{SECOND_FACTOR}/confirm", json={"otp": "000000"}, headers=person.bearer)
    assert refusal(early) == (409, "NO_SECOND_FACTOR")
    await client.post(SECOND_FACTOR, json={"password": PASSWORD}, headers=person.bearer)
    bad = await client.post(f"{SECOND_FACTOR}/confirm", json={"otp": "000000"}, headers=person.bearer)
    assert refusal(bad) == (422, "SECOND_FACTOR_INVALID")
    assert (await login(client, person)).status_code == 200


async def test_an_administrator_helps_who_has_lost_everything(client: httpx.AsyncClient, runtime: Runtime) -> None:
    enrolled, admin = await enrol(client, runtime), await create_person(runtime, Role.ADMIN)
    address = f"/api/v1/users/{enrolled.person.id}/second-factor"
    assert (await client.delete(address, headers=admin.bearer)).status_code == 204
    assert (await client.get(ME, headers=enrolled.person.bearer)).status_code == 401
    assert refusal(await client.delete(address, headers=admin.bearer)) == (409, "NO_SECOND_FACTOR")
    assert (await login(client, enrolled.person)).status_code == 200


async def test_codes_cannot_be_guessed(client: httpx.AsyncClient, runtime: Runtime) -> None:
    enrolled = await enrol(client, runtime)
    guesses = [
        await client.post(f"{SECOND_FACTOR}/disable", json={"otp": "000000"}, headers=enrolled.person.bearer)
        for _ in range(runtime.settings.login_failures + 1)
    ]
    assert {guess.status_code for guess in guesses[:-1]} == {422}
    assert refusal(guesses[-1]) == (429, "RATE_LIMITED")
    assert int(guesses[-1].headers["retry-after"]) > 0


@pytest.fixture
async def strict_runtime(settings: Settings) -> AsyncIterator[Runtime]:
    """A product in which staff cannot do without."""
    async with running(settings.model_copy(update={"second_factor_roles": ["staff"]})) as made:
        yield made


@pytest.fixture
async def strict(strict_runtime: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    """A client of that product."""
    transport = httpx.ASGITransport(create_app(strict_runtime))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as made:
        yield made


async def test_a_role_that_needs_one_can_only_set_it_up(strict: httpx.AsyncClient, strict_runtime: Runtime) -> None:
    person = await create_person(strict_runtime, Role.STAFF)
    refused = await strict.get(SESSIONS, headers=person.bearer)
    assert refusal(refused) == (403, "SECOND_FACTOR_SETUP_REQUIRED")
    assert (await strict.get(ME, headers=person.bearer)).status_code == 200
    state = await strict.get(SECOND_FACTOR, headers=person.bearer)
    assert state.json() == {"is_enabled": False, "is_required": True, "recovery_codes_left": 0}
    begun = await strict.post(SECOND_FACTOR, json={"password": PASSWORD}, headers=person.bearer)
    otp = {"otp": pyotp.TOTP(begun.json()["secret"]).at(now())}
    await strict.post(f"{SECOND_FACTOR}/confirm", json=otp, headers=person.bearer)
    assert (await strict.get(SESSIONS, headers=person.bearer)).status_code == 200
    ahead = {"otp": pyotp.TOTP(begun.json()["secret"]).at(now() + timedelta(seconds=30))}
    kept = await strict.post(f"{SECOND_FACTOR}/disable", json=ahead, headers=person.bearer)
    assert refusal(kept) == (409, "SECOND_FACTOR_NEEDED")


async def test_a_session_from_before_the_setting_is_narrowed_when_it_is_renewed(
    runtime: Runtime, strict: httpx.AsyncClient, strict_runtime: Runtime
) -> None:
    person = await create_person(runtime, Role.STAFF)
    assert (await strict.get(SESSIONS, headers=person.bearer)).status_code == 200
    secret = runtime.settings.secret_key.get_secret_value()
    async with strict_runtime.transactions.begin() as unit:
        claims = read_refresh_token(person.refresh_token, secret, now())
        assert await renew_session(unit, claims, strict_runtime.settings) is not None
    refused = await strict.get(SESSIONS, headers=person.bearer)
    assert refusal(refused) == (403, "SECOND_FACTOR_SETUP_REQUIRED")
