"""Pages of other origins: those on the list may use the API with the visitor's cookies, and nobody else's scripts."""

from collections.abc import AsyncIterator

import httpx
import pytest
from pydantic import ValidationError

from api.app import create_app
from core.runtime import Runtime
from core.settings import Settings
from tests.conftest import running
from tests.people import Person, create_person

ME, WS_TICKET = "/api/v1/users/me", "/api/v1/auth/ws-ticket"
LISTED, OTHER = "https://desk.example.com", "https://evil.example.com"


@pytest.fixture
async def listed_runtime(settings: Settings) -> AsyncIterator[Runtime]:
    """A product that knows one other origin."""
    async with running(settings.model_copy(update={"cors_origins": [LISTED]})) as made:
        yield made


@pytest.fixture
async def browser(listed_runtime: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that somebody has signed in with."""
    person: Person = await create_person(listed_runtime)
    transport = httpx.ASGITransport(create_app(listed_runtime))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as made:
        made.cookies.set("access_token", person.access_token)
        yield made


async def test_a_listed_origin_reads_and_writes_with_cookies(browser: httpx.AsyncClient) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    preflight = await browser.options(WS_TICKET, headers={"Origin": LISTED, **asked})
    answers = [preflight, await browser.get(ME, headers={"Origin": LISTED})]
    answers.append(await browser.post(WS_TICKET, headers={"Origin": LISTED}))
    for answer in answers:
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == LISTED
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize("origin", [OTHER, "null", "https://desk.example.com.evil.example", "http://desk.example.com"])
async def test_any_other_origin_is_told_nothing_and_changes_nothing(browser: httpx.AsyncClient, origin: str) -> None:
    preflight = await browser.options(WS_TICKET, headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
    assert preflight.status_code == 400
    read = await browser.get(ME, headers={"Origin": origin})
    written = await browser.post(WS_TICKET, headers={"Origin": origin})
    assert (written.status_code, written.json()["error_code"]) == (403, "CSRF")
    for answer in (preflight, read, written):
        # Without this line the browser keeps the answer from the page.
        assert "access-control-allow-origin" not in answer.headers


async def test_a_refusal_can_be_read_by_a_listed_origin(browser: httpx.AsyncClient) -> None:
    refused = await browser.get(ME, headers={"Origin": LISTED, "Authorization": "Bearer nonsense"})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == LISTED
    assert "Retry-After" in refused.headers["access-control-expose-headers"]


@pytest.mark.parametrize("origin", ["*", "https://*.example.com", "desk.example.com", "https://desk.example.com/app"])
def test_what_is_no_origin_is_no_setting(origin: str) -> None:
    with pytest.raises(ValidationError, match="CORS_ORIGINS"):
        Settings(_env_file=None, cors_origins=[origin])
