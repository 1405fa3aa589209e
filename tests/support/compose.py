"""docker-compose.yml as the tests read it: its services, and their commands as plain processes."""

import asyncio
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.web import ROOT, free_port

_VARIABLE: Final = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<word>[^}]*))?\})")
_STOP_SECONDS: Final = 30.0


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """``${NAME}``, ``${NAME:-default}``, ``${NAME:?message}`` and ``$$``, as the Compose specification has them."""

    def value(found: re.Match[str]) -> str:
        if found["name"] is None:
            return "$"
        given = variables.get(found["name"], "")
        if not given and found["kind"] == "?":
            raise ValueError(found["word"])
        return given or found["word"] or ""

    return _VARIABLE.sub(value, text)


class _OneMeaning(yaml.SafeLoader):
    """As Compose reads: a name that stands twice in a mapping is an error, where PyYAML takes the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [self.construct_object(name) for name, _ in node.value if name.tag != "tag:yaml.org,2002:merge"]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name} stands twice, {node.start_mark}")
        return super().construct_mapping(node, deep)


def read_compose(variables: Mapping[str, str]) -> dict[str, Any]:
    """The whole file, anchors resolved and variables put in."""

    def resolved(node: Any) -> Any:
        if isinstance(node, dict):
            return {name: resolved(value) for name, value in node.items()}
        if isinstance(node, list):
            return [resolved(value) for value in node]
        return interpolate(node, variables) if isinstance(node, str) else node

    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    compose: dict[str, Any] = resolved(yaml.load(text, _OneMeaning))  # noqa: S506 - a safe loader
    return compose


@dataclass
class Service:
    """A service of the file that runs the product's image, as a process of this machine.

    Only what a container would have of its own is changed: the port, the folder for temporary files, the programs.
    """

    name: str
    definition: dict[str, Any]
    folder: Path
    port: int
    process: asyncio.subprocess.Process | None = None

    @classmethod
    def of(cls, compose: Mapping[str, Any], name: str, tmp_path: Path) -> "Service":
        """That service, with a folder and a port of its own."""
        folder = tmp_path / name
        folder.mkdir()
        return cls(name, compose["services"][name], folder, free_port())

    @property
    def url(self) -> str:
        """Where it listens, if it does."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """All that it says."""
        return self.folder / "log"

    def environment(self) -> dict[str, str]:
        """What the file sets, and what every process needs."""
        inherited = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        own = {"PATH": path, "PYTHONPATH": str(ROOT), "HOSTNAME": socket.gethostname()}
        return {**inherited, **own, **self.definition["environment"]}

    def _here(self, word: str) -> str:
        changes = {"8000": str(self.port), "0.0.0.0": "127.0.0.1", "/tmp": str(self.folder)}  # noqa: S108
        for theirs, ours in changes.items():
            word = word.replace(theirs, ours)
        return word

    async def _run(self, *command: str) -> asyncio.subprocess.Process:
        with self.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *command, cwd=self.folder, env=self.environment(), stdout=log, stderr=log
            )

    async def start(self) -> None:
        """Run the file's command."""
        self.process = await self._run(*(self._here(word) for word in self.definition["command"]))

    async def run_to_end(self) -> int:
        """Run the file's command until it ends; its exit code."""
        await self.start()
        assert self.process is not None
        return await self.process.wait()

    async def is_healthy(self) -> bool:
        """Run the file's healthcheck, once. Fails when the service has ended."""
        assert self.process is not None
        assert self.process.returncode is None, f"{self.name} ended:\n{self.log.read_text()[-4000:]}"
        kind, *words = self.definition["healthcheck"]["test"]
        command = ["/bin/sh", "-c", *words] if kind == "CMD-SHELL" else words
        return await (await self._run(*(self._here(word) for word in command))).wait() == 0

    async def stop(self) -> int:
        """Ask it to stop, as ``docker compose down`` does; its exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), _STOP_SECONDS)
            except TimeoutError:
                self.process.kill()
        return await self.process.wait()


@asynccontextmanager
async def running(services: list[Service], in_time: Callable[[Service], Any]) -> AsyncIterator[None]:
    """All of them, healthy (``in_time`` waits for one); stopped at the end, the last one first."""
    try:
        for service in services:
            await service.start()
        for service in services:
            await in_time(service)
        yield
    finally:
        for service in reversed([service for service in services if service.process is not None]):
            await service.stop()
