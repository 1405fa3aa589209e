"""`python -m ops migrate`: bring the database to the state that this code needs."""

import argparse
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from ops.checkout import ROOT

INI = ROOT / "alembic.ini"


class MigrationError(Exception):
    """The database could not be migrated; the message is for people."""


def migrate(ini: Path = INI) -> None:
    """Run all migrations that the database of DATABASE_URL has not seen.

    Raises:
        MigrationError: when the database is newer than this code, or a migration refuses.
    """
    try:
        command.upgrade(Config(str(ini)), "head")
    except CommandError as error:
        if "Can't locate revision" in str(error):
            raise MigrationError(
                "The database is newer than this code: it was migrated by a version that this "
                f"checkout does not have ({error}). Check out that version; nothing was changed."
            ) from error
        raise MigrationError(f"The migrations are in disorder: {error}") from error
    except DBAPIError as error:
        raise MigrationError(f"The database refused a migration: {error.orig}") from error
    except OSError as error:
        raise MigrationError(f"The database of DATABASE_URL cannot be reached: {error}") from error


def main(arguments: list[str]) -> int:
    """Migrate; returns 0, or 1 with a sentence on standard error."""
    argparse.ArgumentParser(
        prog="python -m ops migrate",
        description="Run all migrations that the database of DATABASE_URL has not seen.",
    ).parse_args(arguments)
    try:
        migrate()
    except MigrationError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0
