"""``python -m ops new-epoch``: after a restore, so that clients who know a lost future start anew.

A restore takes sequences back, and the same places are then given to other events. With a new epoch no position from
before is good any more: who resumes gets the whole state, and running nodes tell their sockets within a second.
"""

import argparse
import asyncio

from core import streams
from core.runtime import Runtime
from core.settings import Settings, get_settings
from core.tasks import NoTasks
from ops.console import Console


async def renew(settings: Settings) -> int:
    """Give every stream a new epoch; returns how many there are."""
    runtime = Runtime(settings, NoTasks())
    try:
        async with runtime.transactions.begin() as unit:
            return await streams.renew_epochs(unit.session)
    finally:
        await runtime.close()


def main(arguments: list[str]) -> int:
    """Renew and say how many; returns 0."""
    argparse.ArgumentParser(
        prog="python -m ops new-epoch", description="After a restore: make clients start anew from whole states."
    ).parse_args(arguments)
    count = asyncio.run(renew(get_settings()))
    Console().say(f"New epochs for all streams ({count}). Clients get whole states.")
    return 0
