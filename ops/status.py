"""`python -m ops status`: what runs in this checkout."""

import argparse

from ops.checkout import Checkout
from ops.console import Console


def main(arguments: list[str]) -> int:
    """Say what runs here; returns 0 when the product runs, else 1."""
    argparse.ArgumentParser(prog="python -m ops status", description="Show what runs in this checkout.").parse_args(
        arguments
    )
    checkout, console = Checkout(), Console()
    running = checkout.running()
    if not checkout.is_claimed():
        console.say("Carebell does not run in this checkout. Start it with: make run")
        return 1
    if not running:
        console.say("Carebell is starting or stopping.")
        return 1
    console.say(f"Carebell runs at {running['url']} (supervisor: process {running['pid']})")
    for name, pid in running["processes"].items():
        console.say(f"  {name:<10} process {pid:<8} log {checkout.logs / f'{name}.log'}")
    return 0
