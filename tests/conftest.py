"""Real servers for every test: embedded Postgres and Redis, or those that TEST_DATABASE_URL and TEST_REDIS_URL name."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest
from alembic import command
from alembic.config import Config
from fastapi import FastAPI
from pydantic import SecretStr

import domain.wiring  # noqa: F401 - rooms react to each other's events
from api.app import create_app
from core.runtime import Runtime
from core.settings import Settings
from core.tasks import NoTasks
from ops.embedded import EmbeddedPostgres, EmbeddedRedis, throwaway_folder
from tests.support.web import WAIT_SECONDS

ROOT = Path(__file__).resolve().parent.parent
_LONG_FIRST = ("faults", "browser", "fuzz", "ops", "workers", "clients")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Folders with long files go first: two processes that share the files then end at about the same time."""

    def rank(item: pytest.Item) -> int:
        folder = item.path.relative_to(ROOT / "tests").parts[0]
        return _LONG_FIRST.index(folder) if folder in _LONG_FIRST else len(_LONG_FIRST)

    items.sort(key=rank)


# The library waits for five seconds, and a busy machine may be longer at it than that.
assert httpx.AsyncClient.__init__.__kwdefaults__ is not None
httpx.AsyncClient.__init__.__kwdefaults__["timeout"] = httpx.Timeout(WAIT_SECONDS)


@dataclass(frozen=True)
class Servers:
    """Addresses of the real servers; ``database_url`` names a maintenance database to create others from."""

    database_url: str
    redis_url: str


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Postgres and Redis for the whole run."""
    database_url, redis_url = os.environ.get("TEST_DATABASE_URL"), os.environ.get("TEST_REDIS_URL")
    if database_url and redis_url:
        yield Servers(database_url, redis_url)
        return
    with (
        throwaway_folder() as folder,
        EmbeddedPostgres(folder / "postgres", durable=False) as postgres,
        EmbeddedRedis(folder / "redis") as redis,
    ):
        yield Servers(database_url or postgres.url, redis_url or redis.url)


async def _run_sql(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def migrate(url: str) -> None:
    """Bring the database at that URL to the newest revision."""
    config = Config(ROOT / "alembic.ini")
    config.set_main_option("sqlalchemy.url", url.replace("postgresql://", "postgresql+asyncpg://"))
    command.upgrade(config, "head")


@pytest.fixture(scope="session")
def database_url(servers: Servers) -> Iterator[str]:
    """A fresh, migrated database, shared by the tests of this run: each makes the rows that it looks at."""
    name = f"test_{uuid4().hex[:12]}"
    asyncio.run(_run_sql(servers.database_url, f"CREATE DATABASE {name}"))
    url = servers.database_url.rsplit("/", 1)[0] + f"/{name}"
    migrate(url)
    yield url
    asyncio.run(_run_sql(servers.database_url, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def settings(servers: Servers, database_url: str) -> Settings:
    """Settings of a test process."""
    return Settings(
        _env_file=None,
        environment="test",
        secret_key=SecretStr("test-secret-test-secret-test-secret-0"),
        database_url=SecretStr(database_url),
        redis_url=SecretStr(servers.redis_url),
        public_url="http://localhost:8000",
        # Hundreds of tests are one address; those that look at limits set their own.
        requests_per_minute=1_000_000,
        hub_heads_seconds=0.3,
        hub_heartbeat_seconds=1,
    )


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Runtime]:
    """A runtime that publishes."""
    runtime = Runtime(settings, NoTasks())
    runtime.start()
    try:
        yield runtime
    finally:
        await runtime.close()


@pytest.fixture(scope="session")
async def runtime(settings: Settings) -> AsyncIterator[Runtime]:
    """Database, publisher and transactions of a test process."""
    async with running(settings) as made:
        yield made


@pytest.fixture(scope="session")
def app(runtime: Runtime) -> FastAPI:
    """The REST API on real servers."""
    return create_app(runtime)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client without credentials, speaking to the API in this process."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as made:
        yield made
