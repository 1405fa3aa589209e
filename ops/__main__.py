"""`python -m ops COMMAND`: one door to all commands.

A command is a module of this package with `main(arguments: list[str]) -> int`: it gets the words
after the command's name and returns the exit code. Only the module of the chosen command is
imported, so that `psql` need not wait for the web framework.
"""

import argparse
import sys
from importlib import import_module

COMMANDS = {
    "up": ("ops.up", "start everything and stop it with one Ctrl-C (make run)"),
    "web": ("ops.web", "serve REST, sockets and pages"),
    "migrate": ("ops.migrate", "bring the database to the state that this code needs"),
    "create-admin": ("ops.create_admin", "make an administrator's account"),
    "new-epoch": ("ops.new_epoch", "after a restore: make clients start anew from whole states"),
    "seed": ("ops.seed", "put the demo clinic into the database"),
    "simulate": ("ops.simulate", "let patients arrive, staff call and people chat"),
    "picture": ("ops.picture", "make the picture of the board that the README shows"),
    "build-web": ("ops.build_web", "build the web pages when their sources changed"),
    "access-table": ("ops.access_table", "write docs/access.md: who may do what"),
    "psql": ("ops.psql", "open psql on this checkout's database"),
    "status": ("ops.status", "show what runs in this checkout"),
}


def main(arguments: list[str]) -> int:
    """Run the command named by the first argument; returns its exit code."""
    listing = "\n".join(f"  {name:<12} {summary}" for name, (_, summary) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="python -m ops",
        description="Commands of Carebell:\n" + listing,
        epilog="python -m ops COMMAND --help tells more about one.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of the above")
    chosen = parser.parse_args(arguments[:1]).command
    module = import_module(COMMANDS[chosen][0])
    code: int | None = module.main(arguments[1:])
    return code or 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
