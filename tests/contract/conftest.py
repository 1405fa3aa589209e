"""A client of the API, and people who come the way the documents describe."""

from collections.abc import AsyncIterator

import httpx
import pytest

from api.app import create_app
from core.runtime import Runtime
from core.settings import Settings
from tests.conftest import running
from tests.people import PASSWORD, some_email


@pytest.fixture(scope="module")
async def product(settings: Settings) -> AsyncIterator[Runtime]:
    """The product, with hashes that cost little."""
    async with running(settings.model_copy(update={"bcrypt_cost": 4})) as made:
        yield made


@pytest.fixture
async def api(product: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    """A client that keeps cookies, at the base address."""
    transport = httpx.ASGITransport(create_app(product))
    headers = {"Origin": "http://localhost:8000"}
    base = "http://localhost:8000/api/v1/"
    async with httpx.AsyncClient(transport=transport, base_url=base, headers=headers) as made:
        yield made


@pytest.fixture
async def ada(api: httpx.AsyncClient) -> dict[str, str]:
    """Email and password of somebody who has just registered."""
    words = {"email": some_email(), "password": PASSWORD}
    (await api.post("auth/register", json={**words, "name": "Ada"})).raise_for_status()
    return words
