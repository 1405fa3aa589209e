"""Cookies, rotation, cross-site requests, sign-out and socket tickets over HTTP."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from api.identity.routes import router
from core.actor import ANONYMOUS
from core.clock import now
from core.runtime import Runtime
from core.settings import Settings
from core.tasks import NoTasks
from domain.identity.actions import redeem_socket_ticket
from domain.identity.queries import revoked_sessions
from domain.identity.rules import read_refresh_token, session_of_access_token
from tests.api.test_identity import refusal
from tests.domain.identity.test_sessions import let_the_leeway_pass
from tests.people import PASSWORD, Person, create_person

LOGIN, REFRESH, LOGOUT = "/api/v1/auth/login", "/api/v1/auth/refresh", "/api/v1/auth/logout"
WS_TICKET, ME = "/api/v1/auth/ws-ticket", "/api/v1/users/me"
OWN_PAGE = {"Origin": "http://localhost:8000"}


def set_cookies(response: httpx.Response) -> dict[str, str]:
    """The Set-Cookie lines by cookie, with the value taken out."""
    lines = [line.partition("=") for line in response.headers.get_list("set-cookie")]
    return {name: rest.partition("; ")[2] for name, _, rest in lines}


async def sign_in(client: httpx.AsyncClient, runtime: Runtime) -> tuple[Person, httpx.Response]:
    """A browser that is signed in: the client keeps the cookies."""
    person = await create_person(runtime)
    response = await client.post(LOGIN, json={"email": person.email, "password": PASSWORD})
    assert response.status_code == 200
    return person, response


async def as_browser(client: httpx.AsyncClient, runtime: Runtime) -> Person:
    """The same without the form: the cookies of somebody who signed in before."""
    person = await create_person(runtime)
    client.cookies.set("access_token", person.access_token)
    client.cookies.set("refresh_token", person.refresh_token, path=REFRESH)
    return person


async def is_ended(runtime: Runtime, access_token: str) -> bool:
    session_id = session_of_access_token(access_token, runtime.settings.secret_key.get_secret_value())
    async with runtime.database.session() as session:
        return await revoked_sessions(session, [session_id]) == {session_id}


async def test_cookies_on_plain_http_localhost(client: httpx.AsyncClient, runtime: Runtime) -> None:
    _, response = await sign_in(client, runtime)
    assert set_cookies(response) == {
        "access_token": "HttpOnly; SameSite=Strict; Path=/; Max-Age=900",
        "refresh_token": "HttpOnly; SameSite=Strict; Path=/api/v1/auth/refresh; Max-Age=604800",
    }
    assert response.headers["cache-control"] == "no-store"


@pytest.fixture
async def public_client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the same product behind HTTPS, with lifetimes of its own."""
    changed = {"public_url": "https://carebell.example", "access_token_minutes": 5, "refresh_token_days": 1}
    runtime = Runtime(settings.model_copy(update=changed), NoTasks())
    app = FastAPI()
    app.state.runtime = runtime
    app.include_router(router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://carebell.example") as client:
        yield client
    await runtime.close()


async def test_cookies_everywhere_else_are_secure_and_last_as_set(
    public_client: httpx.AsyncClient, runtime: Runtime
) -> None:
    person = await create_person(runtime)
    response = await public_client.post(LOGIN, json={"email": person.email, "password": PASSWORD})
    assert set_cookies(response) == {
        "access_token": "HttpOnly; Secure; SameSite=Strict; Path=/; Max-Age=300",
        "refresh_token": "HttpOnly; Secure; SameSite=Strict; Path=/api/v1/auth/refresh; Max-Age=86400",
    }


async def test_a_browser_refreshes_by_cookie(client: httpx.AsyncClient, runtime: Runtime) -> None:
    await sign_in(client, runtime)
    before = dict(client.cookies)
    response = await client.post(REFRESH, headers=OWN_PAGE)
    assert (response.status_code, response.json()) == (200, {"message": "Token refreshed"})
    assert set_cookies(response).keys() == {"access_token", "refresh_token"}
    after = dict(client.cookies)
    assert after.keys() == before.keys()
    assert all(after[name] != before[name] for name in before)
    assert (await client.get(ME)).status_code == 200


async def test_an_api_client_refreshes_by_body(client: httpx.AsyncClient, runtime: Runtime) -> None:
    person = await create_person(runtime)
    response = await client.post(REFRESH, json={"refresh_token": person.refresh_token})
    assert response.status_code == 200
    assert "set-cookie" not in response.headers
    tokens = response.json()
    assert tokens["user"]["email"] == person.email
    me = await client.get(ME, headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert me.status_code == 200


async def test_of_ten_refreshes_with_one_token_all_get_the_same_successor_and_a_late_one_ends_the_session(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    person = await create_person(runtime)
    body = {"refresh_token": person.refresh_token}
    responses = await asyncio.gather(*(client.post(REFRESH, json=body) for _ in range(10)))
    assert [response.status_code for response in responses] == [200] * 10
    secret = runtime.settings.secret_key.get_secret_value()
    successors = {read_refresh_token(response.json()["refresh_token"], secret, now()) for response in responses}
    assert len(successors) == 1
    assert not await is_ended(runtime, person.access_token)
    await let_the_leeway_pass(runtime, person.session_id)
    assert (await client.post(REFRESH, json=body)).status_code == 401
    assert await is_ended(runtime, person.access_token)
    tokens = responses[0].json()
    assert (await client.post(REFRESH, json={"refresh_token": tokens["refresh_token"]})).status_code == 401
    ended = await client.get(ME, headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert (ended.status_code, ended.json()["error_code"]) == (401, "AUTHENTICATION")


@pytest.mark.parametrize("body", [None, {}, {"refresh_token": None}, {"refresh_token": ""}, {"refresh_token": "x.y.z"}])
async def test_without_a_refresh_token_nothing_is_renewed(
    client: httpx.AsyncClient, body: dict[str, str | None] | None
) -> None:
    response = await client.post(REFRESH, json=body, headers=OWN_PAGE)
    assert (response.status_code, response.json()["error_code"]) == (401, "AUTHENTICATION")


async def test_an_access_token_renews_nothing(client: httpx.AsyncClient, runtime: Runtime) -> None:
    person = await create_person(runtime)
    assert (await client.post(REFRESH, json={"refresh_token": person.access_token})).status_code == 401


FOREIGN = [{}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("path", [REFRESH, LOGOUT, WS_TICKET])
async def test_a_cookie_changes_nothing_for_a_page_that_is_not_ours(
    client: httpx.AsyncClient, runtime: Runtime, path: str, headers: dict[str, str]
) -> None:
    person = await as_browser(client, runtime)
    response = await client.post(path, headers=headers)
    assert (response.status_code, response.json()["error_code"]) == (403, "CSRF")
    assert "set-cookie" not in response.headers
    assert (await client.get(ME, headers=headers)).json()["email"] == person.email


@pytest.mark.parametrize("headers", FOREIGN[1:])
@pytest.mark.parametrize("path", [LOGIN, LOGOUT, f"{REFRESH}/logout"])
async def test_another_site_signs_nobody_in_or_out(
    client: httpx.AsyncClient, runtime: Runtime, path: str, headers: dict[str, str]
) -> None:
    person = await create_person(runtime)
    client.headers.update(headers)
    refused = await client.post(path, json={"email": person.email, "password": PASSWORD}, follow_redirects=True)
    assert refusal(refused) == (403, "CSRF")
    assert "set-cookie" not in refused.headers


@pytest.mark.parametrize("headers", [OWN_PAGE, {"Sec-Fetch-Site": "same-origin"}])
async def test_a_page_of_ours_may_use_the_cookie(
    client: httpx.AsyncClient, runtime: Runtime, headers: dict[str, str]
) -> None:
    await as_browser(client, runtime)
    assert (await client.post(WS_TICKET, headers=headers)).status_code == 200


async def test_a_bearer_token_needs_no_origin_and_goes_before_the_cookie(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    await as_browser(client, runtime)
    other = await create_person(runtime)
    assert (await client.post(WS_TICKET, headers=other.bearer)).status_code == 200
    assert (await client.get(ME, headers=other.bearer)).json()["email"] == other.email


async def test_signing_out_ends_the_session_and_clears_the_cookies(client: httpx.AsyncClient, runtime: Runtime) -> None:
    await sign_in(client, runtime)
    access_token, refresh_token = client.cookies["access_token"], client.cookies["refresh_token"]
    response = await client.post(LOGOUT, headers=OWN_PAGE)
    assert (response.status_code, response.json()) == (200, {"message": "Logged out successfully"})
    assert response.headers.get_list("set-cookie") == [
        "access_token=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0",
        "refresh_token=; HttpOnly; SameSite=Strict; Path=/api/v1/auth/refresh; Max-Age=0",
    ]
    assert not client.cookies
    assert await is_ended(runtime, access_token)
    assert (await client.get(ME, headers={"Authorization": f"Bearer {access_token}"})).status_code == 401
    assert (await client.post(REFRESH, json={"refresh_token": refresh_token})).status_code == 401


@pytest.mark.parametrize("cookie", [None, "nonsense"])
async def test_signing_out_of_nothing_clears_the_cookies_too(client: httpx.AsyncClient, cookie: str | None) -> None:
    if cookie:
        client.cookies.set("access_token", cookie)
    response = await client.post(LOGOUT, headers=OWN_PAGE, follow_redirects=True)
    assert response.status_code == 200
    assert set_cookies(response).keys() == {"access_token", "refresh_token"}


async def test_signing_out_after_the_access_cookie_is_gone_ends_the_session(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    await sign_in(client, runtime)
    access_token, refresh_token = client.cookies["access_token"], client.cookies["refresh_token"]
    client.cookies.delete("access_token")
    first = await client.post(LOGOUT, headers=OWN_PAGE)
    assert (first.status_code, first.headers["location"]) == (307, f"{REFRESH}/logout")
    assert not set_cookies(first)
    response = await client.post(LOGOUT, headers=OWN_PAGE, follow_redirects=True)
    assert (response.status_code, response.json()) == (200, {"message": "Logged out successfully"})
    assert not client.cookies
    assert await is_ended(runtime, access_token)
    assert (await client.post(REFRESH, json={"refresh_token": refresh_token})).status_code == 401


@pytest.mark.parametrize("headers", [{}, {"Origin": "https://evil.example"}])
async def test_another_site_cannot_sign_out_by_the_refresh_cookie(
    client: httpx.AsyncClient, runtime: Runtime, headers: dict[str, str]
) -> None:
    person = await as_browser(client, runtime)
    client.cookies.delete("access_token")
    response = await client.post(LOGOUT, headers=headers, follow_redirects=True)
    assert (response.status_code, response.json()["error_code"]) == (403, "CSRF")
    assert not await is_ended(runtime, person.access_token)


async def test_signing_out_with_a_token_that_is_not_ours_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.post(LOGOUT, headers={"Authorization": "Bearer nonsense"})).status_code == 401


async def test_a_socket_ticket_signs_its_owner_in_once(client: httpx.AsyncClient, runtime: Runtime) -> None:
    person = await create_person(runtime)
    response = await client.post(WS_TICKET, headers=person.bearer)
    assert response.json().keys() == {"ticket", "expires_in"}
    assert response.json()["expires_in"] == 30
    async with runtime.transactions.begin(ANONYMOUS) as unit:
        actor = await redeem_socket_ticket(unit, response.json()["ticket"])
    assert (actor.user_id, actor.session_id) == (person.id, person.session_id)
    assert (await client.post(WS_TICKET)).status_code == 401
