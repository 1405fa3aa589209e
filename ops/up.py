"""`python -m ops up`: everything on one machine, from one command. This is what `make run` calls."""

import argparse
import hashlib
import http.client
import json
import os
import shutil
import time
from pathlib import Path

from pydantic import ValidationError

from core.settings import Settings
from ops.build_web import WebBuilder
from ops.checkout import ROOT, Checkout, CheckoutError, write_private
from ops.console import Console
from ops.embedded import EmbeddedPostgres, EmbeddedRedis, EmbeddedServerError
from ops.embedded.processes import port_is_free
from ops.environment import base_environment, was_set
from ops.guard import run_guarded
from ops.supervisor import (
    ProcessDefinition,
    ProcessFailedError,
    StopRequestedError,
    Supervisor,
    python,
)

READY_SECONDS = 60.0
NEEDED_BYTES = 300 * 1024 * 1024


def main(arguments: list[str]) -> int:
    """Start everything; returns the exit code once all of it has ended."""
    parser = argparse.ArgumentParser(
        prog="python -m ops up",
        description="Start Postgres, Redis, web, worker and beat; Ctrl-C stops them all.",
    )
    parser.add_argument("--port", type=int, help="port of the web pages (default: PORT, or 8000)")
    port = parser.parse_args(arguments).port
    return run_guarded(lambda: up(port))


def up(port: int | None) -> int:
    """The supervisor's life, from the first check to the last process."""
    console = Console()
    checkout = Checkout()
    supervisor = Supervisor(ROOT, checkout.logs, console)
    claimed = False
    try:
        supervisor.listen_to_signals()
        checkout.claim()
        claimed = True
        settings = Settings()
        Start(settings, checkout, supervisor, console, port or settings.port).run()
    except StopRequestedError:
        console.say("\nStopping …")
        code, last = 0, "Everything has stopped."
    except ProcessFailedError as error:
        console.say(f"\n{error}")
        code, last = 1, "Everything else was stopped."
    except (CheckoutError, EmbeddedServerError) as error:
        code, last = 1, f"\n{error}"
    except ValidationError as error:
        code, last = 2, f"\nA setting is wrong:\n{error}"
    finally:
        supervisor.stop()
        if claimed:
            checkout.forget()
    console.say(last)
    return code


class Start:
    """The steps from nothing to a running product."""

    def __init__(
        self,
        settings: Settings,
        checkout: Checkout,
        supervisor: Supervisor,
        console: Console,
        port: int,
    ) -> None:
        self._settings = settings
        self._checkout = checkout
        self._supervisor = supervisor
        self._console = console
        self._port = port
        self._environment = base_environment(settings, checkout, port)

    def run(self) -> None:
        """Start everything, then watch it until it ends or someone stops it."""
        self._check_port()
        self._check_disk()
        self._console.say("Carebell starts")
        database = self._start_postgres()
        self._start_redis()
        with self._console.step("Migrating the database"):
            self._run("migrate", "migrate")
        self._seed(database)
        if not WebBuilder().is_fresh():
            with self._console.step("Building the web pages (the first time takes a minute)"):
                self._run("build-web", "build-web")
        with self._console.step("Starting web, worker and beat"):
            self._start_processes()
            self._await_ready()
        self._checkout.record(self._facts())
        self._console.say(self._welcome())
        self._supervisor.watch()

    def _check_port(self) -> None:
        if not port_is_free(self._port, self._settings.host):
            raise CheckoutError(
                f"Port {self._port} is taken by another program. Choose another port: make run PORT={self._port + 10}"
            )

    def _check_disk(self) -> None:
        free = shutil.disk_usage(self._checkout.var).free
        if free < NEEDED_BYTES:
            raise CheckoutError(
                f"The disk is nearly full: {free // 2**20} MB are free where {self._checkout.var} "
                f"lies, {NEEDED_BYTES // 2**20} MB are needed. Nothing was started or changed."
            )

    def _start_postgres(self) -> str:
        """Start Postgres unless another is set; returns what tells this database from others."""
        if was_set(self._settings, "DATABASE_URL"):
            url = self._settings.database_url.get_secret_value()
            self._environment["DATABASE_URL"] = url
            return url
        server = EmbeddedPostgres(self._checkout.var / "postgres", log=self._checkout.logs / "postgres.log")
        first = "" if server.data.exists() else " for the first time"
        with self._console.step(f"Starting Postgres{first}"):
            self._environment["DATABASE_URL"] = self._supervisor.start_server(server)
        birth = (server.data / "PG_VERSION").stat().st_mtime_ns
        return f"{server.data}:{birth}"

    def _start_redis(self) -> None:
        if was_set(self._settings, "REDIS_URL"):
            self._environment["REDIS_URL"] = self._settings.redis_url.get_secret_value()
            return
        server = EmbeddedRedis(self._checkout.var / "redis", log=self._checkout.logs / "redis.log")
        with self._console.step("Starting Redis"):
            self._environment["REDIS_URL"] = self._supervisor.start_server(server)

    def _seed(self, database: str) -> None:
        """Seed a database once, and only for development."""
        stamp = self._checkout.var / "seeded"
        digest = hashlib.sha256(database.encode()).hexdigest()
        if stamp.exists() and stamp.read_text(encoding="ascii").strip() == digest:
            return
        if not self._settings.is_development:
            return
        with self._console.step("Seeding the demo clinic"):
            self._run("seed", "seed")
        write_private(stamp, digest + "\n")

    def _run(self, name: str, *arguments: str) -> None:
        command = python("-m", "ops", *arguments)
        self._supervisor.run_to_end(ProcessDefinition(name, command, self._environment))

    def _start_processes(self) -> None:
        celery = python("-m", "celery", "--quiet", "-A", "workers.app")
        level = ["--loglevel", self._settings.log_level]
        schedule = str(self._checkout.var / "celerybeat-schedule")
        commands = {
            **self._web_commands(),
            "beat": [*celery, "beat", *level, "--schedule", schedule, "--pidfile", ""],
            "worker": [*celery, "worker", *level, "--concurrency", "2"],
        }
        for name, command in commands.items():
            self._supervisor.start(ProcessDefinition(name, command, self._environment, echo=name != "beat"))

    def _web_commands(self) -> dict[str, list[str]]:
        """One web process, or several that listen on the same port."""
        web = python("-m", "ops", "web", "--port", str(self._port))
        count = self._settings.web_processes
        if count == 1:
            return {"web": web}
        return {f"web-{number}": [*web, "--share-port"] for number in range(1, count + 1)}

    def _await_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        self._supervisor.watch(until=lambda: self._is_ready() or time.monotonic() > deadline)
        if not self._is_ready():
            raise CheckoutError(
                f"The web process did not get ready within {READY_SECONDS:.0f} s. It says: "
                f"{self._ask_readiness()[1] or 'nothing'}. Its log lies in {self._checkout.logs}"
            )

    def _is_ready(self) -> bool:
        return self._ask_readiness()[0] == http.client.OK

    def _ask_readiness(self) -> tuple[int, str]:
        host = "127.0.0.1" if self._settings.host in ("0.0.0.0", "::") else self._settings.host  # noqa: S104 - compared, not bound
        connection = http.client.HTTPConnection(host, self._port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            response = connection.getresponse()
            return response.status, response.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()

    def _facts(self) -> dict[str, object]:
        return {
            "url": self._public_url,
            "pid": os.getpid(),
            "guard": os.getppid(),
            "port": self._port,
            "database_url": self._environment["DATABASE_URL"],
            "redis_url": self._environment["REDIS_URL"],
            "processes": self._supervisor.processes,
        }

    @property
    def _public_url(self) -> str:
        return self._environment.get("PUBLIC_URL", self._settings.public_url).rstrip("/")

    def _welcome(self) -> str:
        return welcome(self._public_url, self._checkout.logs, demo_entries(self._checkout.var / "demo.json"))


def welcome(url: str, logs: Path, demo: list[dict[str, str]]) -> str:
    """The table of addresses and demo sign-ins."""
    addresses = [("Start page", f"{url}/")]
    addresses += [(entry["who"], url + entry["page"]) for entry in demo if not entry["email"]]
    addresses += [
        ("Text messages", f"{url}/dev/outbox"),
        ("REST", f"{url}/docs"),
        ("Health", f"{url}/readyz"),
        ("Logs", str(logs)),
    ]
    lines = ["", *(f"  {name:<14} {address}" for name, address in addresses)]
    people = [entry for entry in demo if entry["email"]]
    if people:
        width = max(len(person["email"]) for person in people)
        lines += ["", "  Sign in as"]
        lines += [
            f"  {person['who']:<14} {person['email']:<{width}}  {person['password']}  {url}{person['page']}"
            for person in people
        ]
    return "\n".join([*lines, "", "  Warnings and errors appear here. Ctrl-C stops everything.", ""])


def demo_entries(path: Path) -> list[dict[str, str]]:
    """What `python -m ops seed` wrote: people with email, password and page, and pages for all without an email."""
    if not path.exists():
        return []
    entries: list[dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
    names = ("who", "email", "password", "page")
    return [{name: entry.get(name, "") for name in names} for entry in entries]
