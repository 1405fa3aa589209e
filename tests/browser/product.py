"""A web process that can be killed and come back on its port, and a desk whose staff work through the API."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from core.settings import Settings
from tests.builders import Clinic
from tests.people import Person
from tests.support.web import environment_of, eventually, free_port


class WebProcess:
    """``python -m ops web``, always at the same address."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        """``folder`` is where it runs and logs."""
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self._folder = folder
        self._log = folder / "web.log"
        self._environment = environment_of(settings, public_url=self.url, hub_drain_seconds=0)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start, and return once it is ready to serve."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "ops", "web", "--port", str(self.port)),
                cwd=self._folder,
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        async with httpx.AsyncClient(base_url=self.url) as client:
            await eventually(lambda: self._is_ready(client))

    async def _is_ready(self, client: httpx.AsyncClient) -> bool:
        assert self._process is not None
        code = self._process.returncode
        assert code is None, f"the web process ended with {code}:\n{self._log.read_text(encoding='utf-8')[-3000:]}"
        try:
            return (await client.get("/readyz")).is_success
        except httpx.TransportError:
            return False

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        assert self._process is not None
        return self._process.pid

    async def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None


@asynccontextmanager
async def running_web(settings: Settings, folder: Path) -> AsyncIterator[WebProcess]:
    """A ready web process, gone at the end."""
    process = WebProcess(settings, folder)
    try:
        await process.start()
        yield process
    finally:
        await process.kill()


@dataclass(frozen=True)
class Desk:
    """A clinic of its own, and its one member of staff at work through the API."""

    clinic: Clinic
    staff: Person
    api: httpx.AsyncClient

    @property
    def board(self) -> str:
        """Address of the waiting-room screen."""
        return f"/board/{self.clinic.queue_id}"

    async def add_ticket(self) -> str:
        """Another person waits; returns the code."""
        answer = await self.api.post("/queue/tickets", json={"queue_id": str(self.clinic.queue_id)})
        code: str = answer.raise_for_status().json()["code"]
        return code

    async def call_next(self) -> dict[str, Any]:
        """Call whoever is next to the first counter; returns the ticket."""
        wanted = {"queue_id": str(self.clinic.queue_id), "counter_id": str(self.clinic.counter_ids[0])}
        answer = await self.api.post("/queue/call-next", json=wanted)
        ticket: dict[str, Any] = answer.raise_for_status().json()
        return ticket

    async def change(self, ticket: dict[str, Any], status: str) -> None:
        """Put the ticket into that state."""
        (await self.api.patch(f"/queue/{ticket['id']}/status", json={"status": status})).raise_for_status()
