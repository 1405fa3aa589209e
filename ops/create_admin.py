"""``python -m ops create-admin``: the first administrator. There is no public way to become one."""

import argparse
import asyncio
import getpass
import os
import sys
from typing import Final

import domain.wiring  # noqa: F401 - rooms react to each other's events
from core.actor import Role
from core.errors import Refusal
from core.runtime import Runtime
from core.settings import Settings, get_settings
from core.tasks import NoTasks
from domain.identity.actions import create_user

PASSWORD_VARIABLE: Final = "ADMIN_PASSWORD"  # noqa: S105 - the name of a variable


async def create_admin(settings: Settings, email: str, name: str, password: str) -> None:
    """Make the account. Raises ``Refusal``: the address is taken or none, or the password cannot be used."""
    runtime = Runtime(settings, NoTasks())
    runtime.start()
    try:
        async with runtime.transactions.begin() as unit:
            await create_user(
                unit,
                email=email,
                password=password,
                name=name,
                role=Role.ADMIN,
                password_min_length=settings.password_min_length,
                password_cost=settings.bcrypt_cost,
            )
    finally:
        await runtime.close()


def main(arguments: list[str]) -> int:
    """Ask for what was not given; returns 0, or 1 with a sentence on standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m ops create-admin",
        description="Make an administrator's account in the database of DATABASE_URL.",
        epilog=f"The password is read from the variable {PASSWORD_VARIABLE}, or asked for: an argument would be seen "
        "by everybody who lists the processes of this machine.",
    )
    parser.add_argument("--email", help="asked for when it is not given")
    parser.add_argument("--name", help="asked for when it is not given")
    chosen = parser.parse_args(arguments)
    email = chosen.email or input("E-mail: ")
    name = (chosen.name or input("Name: ")).strip()
    password = os.environ.get(PASSWORD_VARIABLE) or getpass.getpass("Password: ")
    if not name or not name.isprintable():
        sys.stderr.write("An administrator needs a name.\n")
        return 1
    try:
        asyncio.run(create_admin(get_settings(), email, name, password))
    except Refusal as refusal:
        sys.stderr.write(f"{refusal.detail}\n")
        return 1
    sys.stdout.write("The account is made: sign in at /sign-in.\n")
    return 0
