"""`python -m ops migrate` on real databases."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from ops.embedded import EmbeddedPostgres, throwaway_folder
from ops.embedded.processes import free_port
from tests.ops.helpers import ROOT
from tests.support.web import eventually

# As in migrations/env.py, which cannot be imported outside of a migration.
MIGRATION_LOCK = 0x0CA2EBE11


@pytest.fixture(scope="module")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A server of this module's own, whose database the tests may spoil."""
    with throwaway_folder() as folder, EmbeddedPostgres(folder / "postgres", durable=False) as server:
        yield server


def migrate(url: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops", "migrate"],
        cwd=cwd,
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )


async def revision(url: str, become: str | None = None) -> str:
    """The revision that the database says it is at, after making it say another."""
    connection = await asyncpg.connect(url)
    try:
        if become:
            await connection.execute("UPDATE alembic_version SET version_num = $1", become)
        found: str = await connection.fetchval("SELECT version_num FROM alembic_version")
        return found
    finally:
        await connection.close()


async def test_it_migrates_refuses_what_is_newer_and_changes_nothing_then(postgres: EmbeddedPostgres) -> None:
    for _ in range(2):
        result = migrate(postgres.url)
        assert result.returncode == 0, result.stderr
    head = await revision(postgres.url)

    await revision(postgres.url, become="from_the_future")
    result = migrate(postgres.url)
    assert result.returncode == 1
    assert "The database is newer than this code" in result.stderr
    assert "Traceback" not in result.stderr
    assert await revision(postgres.url) == "from_the_future"

    await revision(postgres.url, become=head)
    assert migrate(postgres.url).returncode == 0


async def test_a_second_one_waits_for_the_first_however_long_that_takes(postgres: EmbeddedPostgres) -> None:
    # Longer than a table is waited for.
    connection = await asyncpg.connect(postgres.url)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
        second = asyncio.create_task(asyncio.to_thread(migrate, postgres.url))
        waited = "SELECT max(now() - query_start) > interval '7 s' FROM pg_stat_activity WHERE wait_event = 'advisory'"

        async def has_waited_or_failed() -> bool:
            return second.done() or bool(await connection.fetchval(waited))

        await eventually(has_waited_or_failed, 60)
        assert not second.done(), second.result().stderr
        await connection.execute("SELECT pg_advisory_unlock($1)", MIGRATION_LOCK)
        assert (await second).returncode == 0
    finally:
        await connection.close()


def test_no_database_there_and_a_wrong_password(postgres: EmbeddedPostgres) -> None:
    nothing = migrate(f"postgresql://carebell:pw@127.0.0.1:{free_port()}/carebell")
    assert nothing.returncode == 1
    assert "cannot be reached" in nothing.stderr
    stranger = migrate(postgres.url.replace(postgres.password, "wrong"))
    assert stranger.returncode == 1
    assert "password authentication failed" in stranger.stderr
    assert "Traceback" not in nothing.stderr + stranger.stderr
