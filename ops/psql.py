"""`python -m ops psql`: open psql on the database of this checkout."""

import os
import sys
from typing import NoReturn
from urllib.parse import unquote, urlsplit

from core.settings import Settings
from ops.checkout import Checkout
from ops.embedded import EmbeddedServerError
from ops.embedded.programs import psql_program
from ops.environment import was_set


def main(arguments: list[str]) -> int:
    """Become psql, with the arguments given; the database is that of DATABASE_URL or of make run."""
    settings = Settings()
    if was_set(settings, "DATABASE_URL"):
        url = settings.database_url.get_secret_value()
    else:
        checkout = Checkout()
        url = str(checkout.running().get("database_url", "")) if checkout.is_claimed() else ""
    if not url:
        sys.stderr.write("No database is running here. Start it in another terminal: make run\n")
        return 1
    try:
        program = str(psql_program())
    except EmbeddedServerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return _become(program, arguments, _as_variables(url))


def _become(program: str, arguments: list[str], variables: dict[str, str]) -> NoReturn:
    """Replace this process; the password goes by environment, for everyone can read arguments."""
    os.execve(program, ["psql", *arguments], {**os.environ, **variables})  # noqa: S606 - no shell is wanted


def _as_variables(url: str) -> dict[str, str]:
    """The parts of a database URL as libpq's environment variables."""
    parts = urlsplit(url)
    return {
        "PGHOST": parts.hostname or "127.0.0.1",
        "PGPORT": str(parts.port or 5432),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": parts.path.lstrip("/"),
    }
