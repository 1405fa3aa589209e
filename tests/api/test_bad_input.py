"""Input that nobody sends by accident: the documented status and code, nothing leaked, and never a 500."""

import base64
import json
import unicodedata
from typing import Any, Final
from uuid import uuid4

import httpx
import jwt
import pytest

from core.actor import Role
from core.runtime import Runtime
from core.settings import Settings
from tests.domain.identity.test_sessions import let_the_leeway_pass
from tests.people import PASSWORD, Person, create_person, some_email

ME: Final = "/api/v1/users/me"
REGISTER: Final = "/api/v1/auth/register"
LOGIN: Final = "/api/v1/auth/login"
DEEP: Final = 1_000
# In no answer to bad input: words of the machine room.
LEAKS: Final = ("Traceback", "sqlalchemy", "asyncpg", 'File "', "SELECT ", "pydantic")


@pytest.fixture
async def person(runtime: Runtime) -> Person:
    """Whose token is bent."""
    return await create_person(runtime)


def refused(answer: httpx.Response, status: int, error_code: str) -> None:
    """That problem, and no more of us than it says."""
    assert (answer.status_code, answer.json()["error_code"]) == (status, error_code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert [word for word in LEAKS if word in answer.text] == []


def _part(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def _claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def _bent_tokens(person: Person, secret: str) -> dict[str, str]:
    token, claims = person.access_token, _claims(person.access_token)
    head, body, signature = token.split(".")
    promoted = _part({**claims, "role": "admin"})
    return {
        "another signature": f"{head}.{body}.{signature[::-1]}",
        "another role": f"{head}.{promoted}.{signature}",
        "alg none": f"{_part({'alg': 'none', 'typ': 'JWT'})}.{promoted}.",
        "alg None": f"{_part({'alg': 'None', 'typ': 'JWT'})}.{promoted}.{signature}",
        "no signature": f"{head}.{body}.",
        "another secret": jwt.encode(claims, "x" * 40, algorithm="HS256"),
        "another algorithm": jwt.encode(claims, secret, algorithm="HS384"),
        "a refresh token": person.refresh_token,
        "another audience": jwt.encode({**claims, "aud": "elsewhere"}, secret, algorithm="HS256"),
        "another issuer": jwt.encode({**claims, "iss": "elsewhere"}, secret, algorithm="HS256"),
        "no expiry": jwt.encode({k: v for k, v in claims.items() if k != "exp"}, secret, algorithm="HS256"),
        "expired": jwt.encode({**claims, "exp": 1}, secret, algorithm="HS256"),
        "expiry beyond time": jwt.encode({**claims, "exp": 10**18}, secret, algorithm="HS256"),
        "another user": jwt.encode({**claims, "sub": str(uuid4())}, secret, algorithm="HS256"),
        "another session": jwt.encode({**claims, "sid": str(uuid4())}, secret, algorithm="HS256"),
        "no id": jwt.encode({**claims, "sub": "1 OR 1=1"}, secret, algorithm="HS256"),
        "an unknown role": jwt.encode({**claims, "role": "root"}, secret, algorithm="HS256"),
        "deep": f"{base64.urlsafe_b64encode(b'[' * 1500).decode()}.{body}.{signature}",
        "long": "a" * 9000,
        "empty": "",
    }


@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
@pytest.mark.parametrize("door", ["bearer", "cookie"])
async def test_a_bent_token_is_401(client: httpx.AsyncClient, settings: Settings, person: Person, door: str) -> None:
    bent = _bent_tokens(person, settings.secret_key.get_secret_value())
    for name, token in bent.items():
        if door == "cookie" and not token:
            continue
        shown = {"Authorization": f"Bearer {token}"} if door == "bearer" else {"Cookie": f"access_token={token}"}
        answer = await client.get(ME, headers=shown)
        assert answer.status_code == 401, name
        refused(answer, 401, "AUTHENTICATION")
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_the_role_of_a_genuine_token_is_not_believed_over_the_account(
    client: httpx.AsyncClient, settings: Settings, person: Person
) -> None:
    secret = settings.secret_key.get_secret_value()
    token = jwt.encode({**_claims(person.access_token), "role": "admin"}, secret, algorithm="HS256")
    refused(await client.get("/api/v1/audit", headers={"Authorization": f"Bearer {token}"}), 403, "AUTHORIZATION")


async def test_a_refresh_token_that_is_none_is_401(client: httpx.AsyncClient, person: Person) -> None:
    for token in (person.access_token, person.refresh_token + "x", "x", "a.b.c"):
        refused(await client.post("/api/v1/auth/refresh", json={"refresh_token": token}), 401, "AUTHENTICATION")


async def test_an_expired_refresh_token_is_401_and_ends_nothing(
    client: httpx.AsyncClient, settings: Settings, person: Person
) -> None:
    claims: dict[str, Any] = jwt.decode(person.refresh_token, options={"verify_signature": False})
    expired = jwt.encode({**claims, "exp": 1}, settings.secret_key.get_secret_value(), algorithm="HS256")
    refused(await client.post("/api/v1/auth/refresh", json={"refresh_token": expired}), 401, "AUTHENTICATION")
    assert (await client.get(ME, headers=person.bearer)).status_code == 200


async def test_a_reused_refresh_token_ends_the_session(
    client: httpx.AsyncClient, runtime: Runtime, person: Person
) -> None:
    body = {"refresh_token": person.refresh_token}
    renewed = (await client.post("/api/v1/auth/refresh", json=body)).json()
    await let_the_leeway_pass(runtime, person.session_id)
    refused(await client.post("/api/v1/auth/refresh", json=body), 401, "AUTHENTICATION")
    headers = {"Authorization": f"Bearer {renewed['access_token']}"}
    refused(await client.get(ME, headers=headers), 401, "AUTHENTICATION")
    again = {"refresh_token": renewed["refresh_token"]}
    refused(await client.post("/api/v1/auth/refresh", json=again), 401, "AUTHENTICATION")


@pytest.mark.parametrize("role", ["admin", "doctor", "staff", "advisor"])
async def test_a_role_in_the_body_is_not_given(client: httpx.AsyncClient, person: Person, role: str) -> None:
    body = {"email": some_email(), "password": PASSWORD, "name": "Eve", "role": role}
    refused(await client.post(REGISTER, json=body), 403, "AUTHORIZATION")
    refused(await client.post(REGISTER, json=body, headers=person.bearer), 403, "AUTHORIZATION")
    # Nor was the account made.
    refused(await client.post(LOGIN, json={"email": body["email"], "password": PASSWORD}), 401, "AUTHENTICATION")


@pytest.mark.parametrize("role", ["device", "root", "", None, 1, ["admin"]])
async def test_a_role_that_nobody_can_ask_for_is_422(client: httpx.AsyncClient, runtime: Runtime, role: object) -> None:
    admin = await create_person(runtime, Role.ADMIN)
    body = {"email": some_email(), "password": PASSWORD, "name": "Eve", "role": role}
    refused(await client.post(REGISTER, json=body, headers=admin.bearer), 422, "VALIDATION")


async def test_a_token_in_the_url_signs_nobody_in(client: httpx.AsyncClient, person: Person) -> None:
    for name in ("token", "access_token"):
        refused(await client.get(ME, params={name: person.access_token}), 401, "AUTHENTICATION")
    profile = await client.get("/api/v1/auth/profile", params={"token": person.access_token}, headers=person.bearer)
    refused(profile, 400, "TOKEN_IN_URL")


async def test_one_account_whatever_the_case_or_unicode_form(client: httpx.AsyncClient) -> None:
    name = some_email().partition("@")[0]
    spellings = [
        f"{name}.zoë@exämple.com",
        unicodedata.normalize("NFD", f"{name}.zoë@exämple.com"),
        f"{name.upper()}.ZOË@EXÄMPLE.COM",
        f"  {name}.Zoë@xn--exmple-cua.com ",
    ]
    made = await client.post(REGISTER, json={"email": spellings[0], "password": PASSWORD, "name": "Zoë"})
    assert made.status_code == 201, made.text
    for spelling in spellings[1:]:
        body = {"email": spelling, "password": PASSWORD, "name": "Zoë"}
        refused(await client.post(REGISTER, json=body), 409, "EMAIL_ALREADY_REGISTERED")
        answer = await client.post(LOGIN, json={"email": spelling, "password": PASSWORD})
        assert answer.json()["user"]["id"] == made.json()["id"]


@pytest.mark.parametrize("field", ["email", "password", "name", "phone", "role"])
async def test_a_nul_byte_is_422_wherever_it_stands(client: httpx.AsyncClient, field: str) -> None:
    body = {"email": some_email(), "password": PASSWORD, "name": "Ada", "phone": "+14155552671", "role": "patient"}
    answer = await client.post(REGISTER, json={**body, field: f"{body[field]}\0"})
    refused(answer, 422, "VALIDATION")


async def test_nul_bytes_in_addresses_and_queries(client: httpx.AsyncClient, person: Person) -> None:
    for path in ("/api/v1/clinics/%00", "/api/v1/queue/tickets/%00", "/api/v1/chat/threads?search=%00"):
        refused(await client.get(path, headers=person.bearer), 422, "VALIDATION")
    refused(await client.post(LOGIN, json={"email": "a\0@example.com", "password": "a\0b"}), 401, "AUTHENTICATION")


async def test_a_body_of_ten_megabytes_is_413(client: httpx.AsyncClient, person: Person) -> None:
    body = b'{"email": "' + b"a" * 10_000_000 + b'"}'
    for path in (LOGIN, REGISTER, "/api/v1/chat/threads", "/api/v1/auth/refresh"):
        answer = await client.post(path, content=body, headers={"Content-Type": "application/json", **person.bearer})
        refused(answer, 413, "PAYLOAD_TOO_LARGE")


async def test_a_body_without_a_length_is_stopped_at_the_limit(client: httpx.AsyncClient) -> None:
    async def parts() -> Any:
        for _ in range(40):
            yield b" " * 65_536

    answer = await client.post(LOGIN, content=parts(), headers={"Content-Type": "application/json"})
    refused(answer, 413, "PAYLOAD_TOO_LARGE")


async def test_a_form_of_ten_megabytes_is_413(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/auth/token", data={"username": "a" * 10_000_000, "password": "b"})
    refused(answer, 413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize("levels", [DEEP, 100 * DEEP])
@pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"a":', b"}")], ids=["lists", "objects"])
async def test_json_within_json_is_422(client: httpx.AsyncClient, levels: int, brackets: tuple[bytes, bytes]) -> None:
    content = brackets[0] * levels + b"1" + brackets[1] * levels
    answer = await client.post(LOGIN, content=content, headers={"Content-Type": "application/json"})
    refused(answer, 422, "VALIDATION")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b"[]", b'"text"', b"\xff\xfe", b'{"email": "\xff"}', b'{"email": 1e999, "password": NaN}',
     b'{"email": "\\ud800", "password": 1}'],
)  # fmt: skip
async def test_what_is_no_json_is_422(client: httpx.AsyncClient, content: bytes) -> None:
    answer = await client.post(LOGIN, content=content, headers={"Content-Type": "application/json"})
    refused(answer, 422, "VALIDATION")


async def test_half_a_character_is_no_email_and_no_name(client: httpx.AsyncClient) -> None:
    for field in ("email", "name", "password"):
        body = {"email": some_email(), "password": PASSWORD, "name": "Ada", field: "a\ud800b long enough"}
        content = json.dumps(body).encode()
        answer = await client.post(REGISTER, content=content, headers={"Content-Type": "application/json"})
        refused(answer, 422, "VALIDATION")
    content = json.dumps({"email": "\ud800@example.com", "password": "\ud800"}).encode()
    answer = await client.post(LOGIN, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in {401, 422}


@pytest.mark.parametrize(
    ("method", "path", "status", "error_code"),
    [
        ("GET", "/api/v1/nothing", 404, "RESOURCE_NOT_FOUND"),
        ("GET", "/api/v1/auth/login", 405, "METHOD_NOT_ALLOWED"),
        ("PUT", "/api/v1/users/me", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/api/v1/../../etc/passwd", 404, "RESOURCE_NOT_FOUND"),
        ("GET", "/assets/..%2f..%2fpyproject.toml", 404, "RESOURCE_NOT_FOUND"),
    ],
)
async def test_addresses_that_are_none(
    client: httpx.AsyncClient, method: str, path: str, status: int, error_code: str
) -> None:
    refused(await client.request(method, path), status, error_code)
