"""A list of 20 rows over REST, against a bare FastAPI route that answers with the same bytes."""

import asyncio
import json
import os
import subprocess
import sys
import urllib.request
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from bench import tools
from bench.load import write_blobs
from bench.options import Options, Sample
from bench.processes import BenchError, Process, free_port, server
from bench.report import say
from bench.stage import Stage
from core.actor import Actor, Role
from domain.chat import actions as chat
from ops.checkout import ROOT

_CONNECTIONS: Final = 8
_ROWS: Final = 20


def rest(stage: Stage, options: Options) -> dict[str, list[Sample]]:
    """Ours and the bare route in turns."""
    talk = stage.conversations[0]
    asyncio.run(_write_rows(stage))
    path = f"/api/v1/chat/threads/{talk.thread_id}/messages?limit={_ROWS}"
    requests = 10_000 if options.is_long else 1500
    found: dict[str, list[Sample]] = {"bare": [], "ours": []}
    with stage.web() as ours:
        asked = urllib.request.Request(
            f"http://127.0.0.1:{ours.port}{path}", headers={"Authorization": f"Bearer {talk.patient.token}"}
        )
        with urllib.request.urlopen(asked) as response:  # noqa: S310 - our own server
            body = response.read()
        if len(json.loads(body)["items"]) != _ROWS:
            raise BenchError("the list has not the rows that it should have")
        with _bare(stage, body) as bare:
            for _ in range(options.repeats):
                found["bare"].append(_ask(stage, bare, "/list", "", requests, len(body)))
                found["ours"].append(_ask(stage, ours, path, talk.patient.token, requests, len(body)))
                say(
                    f"  bare {found['bare'][-1]['per_second']:,.0f}/s ({found['bare'][-1]['cpu_us']:,.0f} us CPU);"
                    f" ours {found['ours'][-1]['per_second']:,.0f}/s ({found['ours'][-1]['cpu_us']:,.0f} us CPU)"
                )
    return found


async def _write_rows(stage: Stage) -> None:
    talk = stage.conversations[0]
    async with stage.runtime() as runtime:
        for number in range(_ROWS):
            async with runtime.transactions.begin(Actor(user_id=talk.patient.user_id, role=Role.PATIENT)) as unit:
                await chat.send_message(unit, talk.thread_id, f"rest-{number}", f"Message {number}: " + "word " * 12)


def _bare(stage: Stage, body: bytes) -> AbstractContextManager[Process]:
    port, file = free_port(), stage.folder / "list.json"
    file.write_bytes(body)
    command = [sys.executable, str(tools.HERE / "servers" / "fastapi_loop.py"), str(port), stage.redis.url, "none"]
    environment = {**os.environ, "LIST_FILE": str(file)}
    return server("the bare route", command, port, stage.folder / "log" / "bare.log", environment=environment)


def _ask(stage: Stage, process: Process, path: str, token: str, requests: int, size: int) -> Sample:
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n" + (f"Authorization: Bearer {token}\r\n" if token else "")
    file: Path = write_blobs(stage.folder, [f"{head}\r\n".encode()])
    before = process.cpu_seconds()
    command = [*tools.program("http"), str(process.port), str(_CONNECTIONS), str(requests), str(file)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if result.returncode:
        raise BenchError(f"{path}: {result.stderr}")
    found = json.loads(result.stdout)
    if found["failures"] or found["bytes"] != size:
        raise BenchError(f"{path}: {found['failures']} refusals, {found['bytes']} bytes")
    cpu = (process.cpu_seconds() - before) / requests * 1e6
    return {"per_second": requests / found["seconds"], "cpu_us": cpu, "p99_ms": found["p99_ms"]}
