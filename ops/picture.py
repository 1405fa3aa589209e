"""``python -m ops picture``: make docs/images/board.png, the picture in README.md.

It starts a product of its own, with the demo clinic and a clock that stands still, so that the same picture comes out
whatever this checkout's own clinic is doing. Playwright comes with the test packages (``make picture`` installs them).
"""

import argparse
import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx
from playwright.sync_api import Page, ViewportSize, expect, sync_playwright
from pydantic import SecretStr

from core.settings import Settings
from ops.build_web import WebBuilder
from ops.checkout import ROOT
from ops.chromium import find_chromium
from ops.embedded import EmbeddedPostgres, EmbeddedRedis, throwaway_folder
from ops.embedded.processes import free_port, on_a_leash, tail, wait_until
from ops.environment import python_path
from ops.seed import PASSWORD, PEOPLE, seed

PICTURE: Final = ROOT / "docs" / "images" / "board.png"
_SIZE: Final = ViewportSize(width=1280, height=720)
_MOMENT: Final = datetime(2026, 3, 2, 14, 24, tzinfo=UTC)  # morning in the demo clinic
_READY_SECONDS: Final = 30.0


class PictureError(Exception):
    """The picture could not be made; the message is for people."""


@contextmanager
def _web(environment: dict[str, str], folder: Path, url: str) -> Iterator[httpx.Client]:
    """A web process and a client of it; both are gone at the end."""
    port = url.rpartition(":")[2]
    command = on_a_leash([sys.executable, "-m", "ops", "web", "--port", port], signal.SIGTERM)
    log = folder / "web.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
    try:
        with httpx.Client(base_url=url) as client:
            if not wait_until(lambda: _is_ready(client), _READY_SECONDS):
                raise PictureError(f"The web process did not get ready. Its last words:\n{tail(log, 20)}")
            yield client
    finally:
        process.terminate()
        process.wait()


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").is_success
    except httpx.TransportError:
        return False


class _Desk:
    """The front desk of the demo clinic, at work on its first queue."""

    def __init__(self, client: httpx.Client) -> None:
        """Signs in and looks around."""
        self._client = client
        email = next(person.email for person in PEOPLE if person.who == "Front desk")
        answer = client.post("/api/v1/auth/token", data={"username": email, "password": PASSWORD})
        client.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['access_token']}"
        clinic = client.get("/api/v1/clinics").raise_for_status().json()["items"][0]
        queue = client.get(f"/api/v1/clinics/{clinic['id']}/queues").raise_for_status().json()[0]
        self.queue_id: str = queue["id"]
        self._counter_ids = [counter["id"] for counter in queue["counters"]]

    def arrive(self, people: int) -> None:
        """So many people take a number."""
        for _ in range(people):
            self._client.post("/api/v1/queue/tickets", json={"queue_id": self.queue_id}).raise_for_status()

    def call(self, counter: int) -> str:
        """Call the next ticket to that counter; its code."""
        wanted = {"queue_id": self.queue_id, "counter_id": self._counter_ids[counter]}
        code: str = self._client.post("/api/v1/queue/call-next", json=wanted).raise_for_status().json()["code"]
        return code

    def serve(self) -> None:
        """Whoever was called has come."""
        state = self._client.get("/api/v1/queue/current", params={"queue_id": self.queue_id}).raise_for_status().json()
        for ticket in state["queues"][0]["tickets"]:
            if ticket["status"] == "called":
                self._client.patch(
                    f"/api/v1/queue/{ticket['id']}/status", json={"status": "serving"}
                ).raise_for_status()


def _photograph(page: Page, url: str, desk: _Desk) -> None:
    """Switch the screen on, call somebody, and take the picture once the call is on it."""
    page.clock.set_fixed_time(_MOMENT)
    page.goto(f"{url}/board/{desk.queue_id}")
    expect(page.locator("body")).to_have_attribute("data-state", "live")
    code = desk.call(2)
    expect(page.locator("#serving .fresh .code")).to_have_text(code)
    PICTURE.parent.mkdir(exist_ok=True)
    page.screenshot(path=PICTURE)


def _make(url: str, environment: dict[str, str], folder: Path) -> None:
    program, needs = find_chromium(folder)
    with _web(environment, folder, url) as client, sync_playwright() as playwright:
        desk = _Desk(client)
        desk.serve()
        desk.arrive(9)
        desk.call(1)
        # As root there is no sandbox to be had; the page is our own.
        chromium = playwright.chromium.launch(
            executable_path=program, env=dict(needs) or None, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        _photograph(chromium.new_page(viewport=_SIZE, locale="en-US", reduced_motion="reduce"), url, desk)
        chromium.close()


def main(arguments: list[str]) -> int:
    """Make the picture; returns 0. Raises ``PictureError``."""
    argparse.ArgumentParser(prog="python -m ops picture", description="Make the picture in README.md.").parse_args(
        arguments
    )
    WebBuilder().build()
    with (
        throwaway_folder() as folder,
        EmbeddedPostgres(folder / "postgres", durable=False) as postgres,
        EmbeddedRedis(folder / "redis") as redis,
    ):
        settings = Settings(
            _env_file=None,
            database_url=SecretStr(postgres.url),
            redis_url=SecretStr(redis.url),
            public_url=f"http://127.0.0.1:{free_port()}",
        )
        own = {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url, "PUBLIC_URL": settings.public_url}
        environment = {**os.environ, **own, "HUB_DRAIN_SECONDS": "0", "PYTHONPATH": python_path(ROOT)}
        subprocess.run([sys.executable, "-m", "ops", "migrate"], cwd=folder, env=environment, check=True)
        asyncio.run(seed(settings))
        _make(settings.public_url, environment, folder)
    sys.stdout.write(f"{PICTURE.relative_to(ROOT)} is made.\n")
    return 0
