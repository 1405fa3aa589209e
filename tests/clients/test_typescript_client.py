"""The TypeScript client, built as for the pages and run by Node, against the real server through the same faults."""

import asyncio
import functools
import itertools
import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from core.runtime import Runtime
from core.settings import Settings
from ops.build_web import WebBuilder, find_node
from tests.clients.scenarios import (
    FAULTS,
    ClientUnderTest,
    Fault,
    Make,
    Picture,
    is_forgiven_haste,
    is_found_out,
    renews_in_place,
    says_when_the_hub_is_degraded,
    survives,
)
from tests.clients.world import world
from tests.support.web import ROOT, WAIT_SECONDS

WEB: Final = ROOT / "web"
_FIRST_WITH_WEBSOCKET: Final = 22


class NodeClient:
    """Speaks with web/test/driver.ts."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ids = itertools.count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}

    async def listen(self) -> None:
        """Take answers, until the process ends."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            answer = json.loads(line)
            self._waiting.pop(answer["id"]).set_result(answer["result"])
        for waiting in self._waiting.values():
            waiting.set_exception(AssertionError("the client's process has ended"))

    async def _ask(self, what: str, **arguments: str) -> Any:
        assert self._process.stdin is not None
        name = next(self._ids)
        self._waiting[name] = asyncio.get_running_loop().create_future()
        self._process.stdin.write(json.dumps({"id": name, "do": what, **arguments}).encode() + b"\n")
        return await self._waiting[name]

    async def follow(self, channel: str) -> None:
        await self._ask("follow", channel=channel)

    async def send(self, channel: str, body: str) -> int:
        seq = await self._ask("send", channel=channel, body=body)
        assert isinstance(seq, int), seq
        return seq

    async def picture(self, channel: str) -> Picture | None:
        seen = await self._ask("picture", channel=channel)
        return None if seen is None or "state" not in seen else Picture(**seen)

    async def tokens_asked(self) -> int:
        count: int = await self._ask("tokens_asked")
        return count


_BUILD: Final = """
import { build } from "esbuild";
const [entry, outfile] = process.argv.slice(1);
await build({ entryPoints: [entry], outfile, bundle: true, minify: true, platform: "node", format: "esm" });
"""


def _build(node: Path, folder: Path) -> Path:
    """The driver and the client in one file, minified as the pages are."""
    built = folder / "driver.mjs"
    entry = WEB / "test" / "driver.ts"
    subprocess.run([node, "--input-type=module", "--eval", _BUILD, entry, built], check=True, cwd=WEB, timeout=60)
    return built


@dataclass(frozen=True)
class Makers:
    """What starts clients as they are, and such as heal nothing."""

    whole: Make
    heedless: Make


@pytest.fixture(scope="module")
def makers(tmp_path_factory: pytest.TempPathFactory) -> Makers:
    """Node has a WebSocket of its own since 22, and behind a flag in 20."""
    WebBuilder().install(with_tests=True)
    node = find_node()[0] / "node"
    driver = _build(node, tmp_path_factory.mktemp("driver"))
    version = subprocess.run([node, "--version"], check=True, capture_output=True, text=True, timeout=60).stdout
    old = int(version.lstrip("v").partition(".")[0]) < _FIRST_WITH_WEBSOCKET
    flags = ["--experimental-websocket", "--no-warnings"] if old else []

    @asynccontextmanager
    async def running(url: str, tokens: list[str], **environment: str) -> AsyncIterator[ClientUnderTest]:
        process = await asyncio.create_subprocess_exec(
            *(str(node), *flags, str(driver), url, *tokens),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **environment},
        )
        client = NodeClient(process)
        listening = asyncio.create_task(client.listen())
        try:
            yield client
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                # Nothing keeps the process alive once its client is closed: no socket, and no timer.
                assert await asyncio.wait_for(process.wait(), WAIT_SECONDS) == 0
            finally:
                if process.returncode is None:
                    process.kill()
            await listening

    return Makers(running, functools.partial(running, HEEDLESS="1"))


@pytest.fixture(scope="module")
def make(makers: Makers) -> Make:
    """Starts clients."""
    return makers.whole


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_nothing_is_lost_and_nothing_twice(
    runtime: Runtime, settings: Settings, tmp_path: Path, make: Make, fault: Fault
) -> None:
    async with world(runtime, settings, tmp_path, hub_max_commands_per_second=1000) as here:
        await survives(make, here, fault)


async def test_without_healing_the_same_test_fails(
    runtime: Runtime, settings: Settings, tmp_path: Path, makers: Makers
) -> None:
    async with world(runtime, settings, tmp_path, hub_max_commands_per_second=1000) as here:
        await is_found_out(makers.heedless, here)


async def test_a_sign_in_is_renewed_on_the_living_socket(
    runtime: Runtime, settings: Settings, tmp_path: Path, make: Make
) -> None:
    async with world(runtime, settings, tmp_path) as here:
        await renews_in_place(make, here)


async def test_what_is_shown_is_stale_while_the_hub_is_degraded(
    runtime: Runtime, settings: Settings, tmp_path: Path, make: Make
) -> None:
    await says_when_the_hub_is_degraded(make, runtime, settings, tmp_path)


async def test_haste_is_forgiven(runtime: Runtime, settings: Settings, tmp_path: Path, make: Make) -> None:
    async with world(runtime, settings, tmp_path, hub_max_commands_per_second=8) as here:
        await is_forgiven_haste(make, here)
