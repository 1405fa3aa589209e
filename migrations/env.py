"""Runs migrations: one at a time (advisory lock), and never waiting long for a table that others use (lock_timeout)."""

import asyncio

from alembic import context
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from core.settings import get_settings
from models import Base

# Any constant does, as long as no other program takes the same advisory lock in this database.
_MIGRATION_LOCK = 0x0CA2EBE11


def _migrate(connection: Connection) -> None:
    # Another one may take its time: only tables are not waited for long.
    connection.execute(text("SET LOCAL lock_timeout = 0"))
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _MIGRATION_LOCK})
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def _run() -> None:
    url = context.config.get_main_option("sqlalchemy.url") or get_settings().sqlalchemy_url
    engine = create_async_engine(
        url,
        poolclass=pool.NullPool,
        connect_args={"server_settings": {"lock_timeout": "5s", "application_name": "carebell-migrate"}},
    )
    async with engine.connect() as connection:
        await connection.run_sync(_migrate)
    await engine.dispose()


if context.is_offline_mode():
    raise SystemExit("Migrations need a database; generating SQL without one is not supported.")
asyncio.run(_run())
