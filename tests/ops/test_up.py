"""`python -m ops up` in a checkout of its own, with a small web process, worker and seed in place of ours."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from shutil import copy, copytree, ignore_patterns
from typing import Any

import pytest

from ops.embedded import EmbeddedPostgres, EmbeddedRedis
from ops.embedded.processes import free_port
from tests.ops.helpers import ROOT, eventually, processes_naming

START_SECONDS = 120

WEB = """
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        names = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "PORT", "PUBLIC_URL")
        self.send_response(200); self.end_headers()
        self.wfile.write("\\n".join(os.environ[name] for name in names).encode())
class Server(ThreadingHTTPServer):
    allow_reuse_port = True
def main(arguments):
    Server(("127.0.0.1", int(arguments[1])), Handler).serve_forever()
"""

SEED = """
import json
from pathlib import Path
def main(arguments):
    path = Path("var/demo.json")
    path.write_text(json.dumps([{"who": "Staff", "email": "staff@example.org", "password": "pw", "page": "/desk"},
                                {"who": "Board A", "page": "/board/1"}]))
    with open("var/seedings", "a") as file: file.write("seeded\\n")
"""

WORKER = """
import os
from celery import Celery
app = Celery("stub", broker=os.environ["REDIS_URL"])
"""

PACKAGE = {
    "name": "stub",
    "private": True,
    "scripts": {"build": "mkdir -p dist && echo built >> ../var/builds && cp page.html dist/page.html"},
}
PACKAGE_LOCK = {"name": "stub", "lockfileVersion": 3, "requires": True, "packages": {"": {"name": "stub"}}}


@pytest.fixture
def checkout(folder: Path) -> Path:
    """A checkout with our ops, core, models and migrations, and small stand-ins for the rest."""
    root = folder / "checkout"
    root.mkdir()
    for name in ("ops", "core", "models", "migrations"):
        copytree(ROOT / name, root / name, ignore=ignore_patterns("__pycache__"))
    copy(ROOT / "alembic.ini", root)
    for directory in ("workers", "web"):
        (root / directory).mkdir(parents=True)
    texts = {
        "ops/web.py": WEB,
        "ops/seed.py": SEED,
        "workers/app.py": WORKER,
        "web/package.json": json.dumps(PACKAGE),
        "web/package-lock.json": json.dumps(PACKAGE_LOCK),
        "web/page.html": "<p>page</p>",
    }
    for name, text in texts.items():
        (root / name).write_text(text)
    return root


class Up:
    """A run of `python -m ops up`."""

    def __init__(self, checkout: Path, port: int | None = None, **variables: str) -> None:
        self.checkout = checkout
        self.port = port or free_port()
        unset = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "PORT", "PUBLIC_URL", "MAKELEVEL")
        kept = {name: value for name, value in os.environ.items() if name not in unset}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ops", "up", "--port", str(self.port)],
            cwd=checkout,
            env=kept | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said: list[str] = []

    def __enter__(self) -> "Up":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.end()

    def ready(self) -> str:
        """Wait until it has told that all is up; returns what it said until then."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if "Ctrl-C stops everything" in line:
                return "".join(self.said)
        pytest.fail("".join(self.said))

    def stop(self) -> tuple[int, str]:
        """Press Ctrl-C; the exit code, and all that it said."""
        self.process.send_signal(signal.SIGINT)
        return self.end()

    def end(self) -> tuple[int, str]:
        """The exit code, and all that it said."""
        rest, _ = self.process.communicate(timeout=START_SECONDS)
        self.said.append(rest)
        return self.process.returncode, "".join(self.said)

    def run_file(self) -> dict[str, Any]:
        """What var/run.json says."""
        found: dict[str, Any] = json.loads((self.checkout / "var/run.json").read_text())
        return found

    def settings(self) -> list[str]:
        """What the web process was told."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=10) as response:
            text: str = response.read().decode()
        return text.splitlines()


def test_two_starts_in_a_row(checkout: Path) -> None:
    with Up(checkout) as first:
        said = first.ready()
        assert f"http://localhost:{first.port}/" in said
        assert f"Staff          staff@example.org  pw  http://localhost:{first.port}/desk\n" in said
        assert f"Board A        http://localhost:{first.port}/board/1\n" in said
        running = first.run_file()
        assert set(running["processes"]) == {"web", "beat", "worker", "postgres", "redis"}
        assert (checkout / "var/run.json").stat().st_mode & 0o777 == 0o600
        told = first.settings()
        assert told[:2] == [running["database_url"], running["redis_url"]]
        assert told[2] == (checkout / "var/secret_key").read_text().strip()
        assert told[3:] == [str(first.port), f"http://localhost:{first.port}"]
        assert first.stop()[0] == 0
    assert not (checkout / "var/run.json").exists()
    assert not processes_naming(str(checkout))

    with Up(checkout, first.port) as second:
        started = time.monotonic()
        said = second.ready()
        took = time.monotonic() - started
        assert "Seeding" not in said
        assert "Building" not in said
        assert second.settings() == told
        code, said = second.stop()
        assert (code, said.splitlines()[-1]) == (0, "Everything has stopped.")
    assert (checkout / "var/seedings").read_text() == "seeded\n"
    assert (checkout / "var/builds").read_text() == "built\n"
    print(f"second start: {took:.1f} s")


def test_a_copy_of_the_example_settings_changes_nothing(checkout: Path) -> None:
    copy(ROOT / ".env.example", checkout / ".env")
    with Up(checkout) as run:
        run.ready()
        database, redis, secret, port, public = run.settings()
        assert (database, redis) == (run.run_file()["database_url"], run.run_file()["redis_url"])
        assert {"postgres", "redis"} < set(run.run_file()["processes"])
        assert secret == (checkout / "var/secret_key").read_text().strip()
        assert (port, public) == (str(run.port), f"http://localhost:{run.port}")
        assert run.stop()[0] == 0


def test_other_servers_are_used_when_they_are_named(checkout: Path, folder: Path) -> None:
    with (
        EmbeddedPostgres(folder / "postgres", durable=False) as postgres,
        EmbeddedRedis(folder / "redis") as redis,
        Up(checkout, DATABASE_URL=postgres.url, REDIS_URL=redis.url, SECRET_KEY="s" * 40) as run,
    ):
        run.ready()
        assert run.settings()[:3] == [postgres.url, redis.url, "s" * 40]
        assert set(run.run_file()["processes"]) == {"web", "beat", "worker"}
        assert run.stop()[0] == 0
    assert not (checkout / "var/postgres").exists()
    assert not (checkout / "var/secret_key").exists()


def test_several_web_processes_share_the_port(checkout: Path) -> None:
    with Up(checkout, WEB_PROCESSES="2") as run:
        run.ready()
        assert {"web-1", "web-2"} < set(run.run_file()["processes"])
        assert run.settings()[3] == str(run.port)
        assert run.stop()[0] == 0
    assert not processes_naming(str(checkout))


def test_a_second_supervisor_is_told_which_one_runs(checkout: Path) -> None:
    with Up(checkout) as first:
        first.ready()
        with Up(checkout) as second:
            code, said = second.end()
        assert code == 1
        assert f"running in this checkout already at http://localhost:{first.port}" in said
        assert f"kill {first.run_file()['pid']}" in said
        status = subprocess.run(
            [sys.executable, "-m", "ops", "status"], cwd=checkout, capture_output=True, text=True, check=False
        )
        assert (status.returncode, "worker" in status.stdout) == (0, True)
        psql = [sys.executable, "-m", "ops", "psql", "-tAc", "SELECT current_user"]
        answer = subprocess.run(psql, cwd=checkout, capture_output=True, text=True, check=False)
        assert answer.stdout.strip() == "carebell", answer.stderr
        assert first.stop()[0] == 0


def test_a_taken_port_is_said_before_anything_starts(checkout: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, said = Up(checkout, port).end()
    assert code == 1
    assert f"Port {port} is taken by another program. Choose another port: make run PORT={port + 10}" in said
    assert not (checkout / "var/postgres").exists()


def test_a_broken_var_is_explained(checkout: Path) -> None:
    (checkout / "var").write_text("a file")
    code, said = Up(checkout).end()
    assert code == 1
    assert f"Could not use the folder {checkout}/var" in said
    assert "Traceback" not in said
    assert (checkout / "var").read_text() == "a file"


def test_a_wrong_setting_is_explained(checkout: Path) -> None:
    code, said = Up(checkout, WEB_PROCESSES="many").end()
    assert code == 2
    assert "web_processes" in said
    assert "Traceback" not in said


def test_a_crash_at_the_start_is_told_with_its_last_lines(checkout: Path) -> None:
    (checkout / "workers/app.py").write_text("raise SystemExit('the worker has no work')\n")
    code, said = Up(checkout).end()
    assert code == 1
    assert "the worker has no work" in said
    assert "Everything else was stopped." in said
    assert not processes_naming(str(checkout))


def test_a_build_that_fails_is_told_and_its_log_kept(checkout: Path) -> None:
    package = PACKAGE | {"scripts": {"build": "echo the page is wrong; exit 4"}}
    (checkout / "web/package.json").write_text(json.dumps(package))
    code, said = Up(checkout).end()
    assert code == 1
    assert "the page is wrong" in said
    assert "the page is wrong" in (checkout / "var/log/npm.log").read_text()
    assert not processes_naming(str(checkout))


def test_nothing_survives_a_kill_of_the_supervisor(checkout: Path) -> None:
    with Up(checkout) as run:
        run.ready()
        # The worker's own children appear a moment after it.
        assert eventually(lambda: len(processes_naming("workers.app")) >= 4)
        os.kill(run.run_file()["pid"], signal.SIGKILL)
        assert run.end()[0] == 128 + signal.SIGKILL
        assert not processes_naming(str(checkout))
    with Up(checkout) as again:
        again.ready()
        assert again.stop()[0] == 0
