"""One world, and one process that serves it."""

from collections.abc import AsyncIterator

import httpx
import pytest

from core.runtime import Runtime
from core.settings import Settings
from tests.access.world import World, create_world
from tests.support.web import WebProcess, web_process


@pytest.fixture(scope="package")
async def world(runtime: Runtime) -> World:
    """One for all: each request makes what it changes."""
    return await create_world(runtime)


@pytest.fixture(scope="package")
async def web(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WebProcess]:
    """REST and sockets as they are served."""
    async with web_process(settings, tmp_path_factory.mktemp("access"), bcrypt_cost=4) as running:
        yield running


@pytest.fixture(scope="package")
async def http(web: WebProcess) -> AsyncIterator[httpx.AsyncClient]:
    """A client without credentials."""
    async with httpx.AsyncClient(base_url=web.url, follow_redirects=True) as client:
        yield client
