"""An embedded Postgres server."""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import ClassVar

from ops.embedded.errors import EmbeddedServerError, disk_hint
from ops.embedded.place import run_as
from ops.embedded.processes import HOST
from ops.embedded.programs import POSTGRES_MAJOR, postgres_programs, psql_program
from ops.embedded.server import EmbeddedServer

NAME = "carebell"
"""The database and the role that owns it."""

ADMIN = "postgres"

ENSURE_DATABASE = r"""
\set ON_ERROR_STOP on
SELECT format('CREATE ROLE %I LOGIN CREATEDB PASSWORD %L', :'name', :'password')
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'name') \gexec
SELECT format('CREATE DATABASE %I OWNER %I', :'name', :'name')
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
"""

SETTINGS = {
    "listen_addresses": HOST,
    # No unix socket: their paths are limited to about 100 bytes, and a checkout may lie deep.
    "unix_socket_directories": "",
    "max_connections": "200",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "log_checkpoints": "off",
}


class EmbeddedPostgres(EmbeddedServer):
    """A Postgres server with one database, `carebell`, and the role of that name as its owner.

    The role may create databases and is no superuser. See `EmbeddedServer` for the arguments.
    """

    title: ClassVar[str] = "Postgres"
    # Fast shutdown (clients are disconnected), then immediate (recovers at the next start).
    stop_signals: ClassVar[tuple[signal.Signals, ...]] = (signal.SIGINT, signal.SIGQUIT)

    @property
    def url(self) -> str:
        """`postgresql://carebell:PASSWORD@127.0.0.1:PORT/carebell`."""
        return f"postgresql://{NAME}:{self.password}@{HOST}:{self.port}/{NAME}"

    def psql(self, *, database: str = NAME, user: str = NAME) -> tuple[list[str], dict[str, str]]:
        """The command and the environment of a psql session with the running server."""
        command = [str(psql_program()), "-h", HOST, "-p", str(self.port), "-U", user, "-d", database]
        return command, {**os.environ, "PGPASSWORD": self.password}

    def _pid_file(self) -> Path:
        return self.data / "postmaster.pid"

    def _prepare(self) -> None:
        if not self.data.exists():
            self._create_cluster()
        version = self.data / "PG_VERSION"
        if not version.is_file():
            raise EmbeddedServerError(
                f"{self.data} is not a Postgres data folder: it has no PG_VERSION. Move "
                f"{self.directory} aside to begin with empty data; nothing was changed."
            )
        major = version.read_text(encoding="ascii").strip()
        if major != str(POSTGRES_MAJOR):
            raise EmbeddedServerError(
                f"The data in {self.data} is of Postgres {major}, but Postgres {POSTGRES_MAJOR} is "
                f"installed. Dump it with Postgres {major}, or move {self.directory} aside to "
                "begin with empty data; nothing was changed."
            )

    def _create_cluster(self) -> None:
        """Make the data folder under another name first, so that it is never half made."""
        unfinished = self.home / "data.unfinished"
        if unfinished.exists():
            shutil.rmtree(unfinished)  # of a first start that was interrupted; never held data
        unfinished.mkdir(mode=0o700)
        password = self.home / "password.once"
        password.touch(mode=0o600)
        password.write_text(self.password, encoding="ascii")
        for path in (unfinished, password):
            self.place.give(path)
        initdb = postgres_programs(self.place.account) / "initdb"
        options = [
            f"--username={ADMIN}",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--data-checksums",
            "--no-instructions",
            *([] if self._durable else ["--no-sync"]),
        ]
        try:
            result = run_as(self.place.account, [str(initdb), f"--pgdata={unfinished}", *options])
        finally:
            password.unlink()
        if result.returncode != 0:
            said = "\n".join(result.stdout.decode("utf-8", "replace").strip().splitlines()[-8:])
            hint = disk_hint(self.home, said)
            raise EmbeddedServerError(f"Could not create the Postgres data.{hint} initdb said:\n{said}")
        unfinished.rename(self.data)

    def _command(self, port: int) -> list[str]:
        settings = SETTINGS | {"port": str(port)}
        if not self._durable:
            settings |= {"fsync": "off", "full_page_writes": "off"}
        program = postgres_programs(self.place.account) / "postgres"
        options = [part for name in settings for part in ("-c", f"{name}={settings[name]}")]
        return [str(program), "-D", str(self.data), *options]

    def _is_ready(self, port: int) -> bool:
        """The server says so itself, in line 8 of its lock file, as pg_ctl reads it too."""
        try:
            lines = self._pid_file().read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready" and lines[3].strip() == str(port)

    def _finish_start(self) -> None:
        command, environment = self.psql(database="postgres", user=ADMIN)
        variables = f"\\set name {NAME}\n\\set password {self.password}\n"
        result = subprocess.run(
            [*command, "--no-psqlrc", "--quiet", "--tuples-only"],
            input=(variables + ENSURE_DATABASE).encode(),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if result.returncode != 0:
            said = result.stdout.decode("utf-8", "replace").strip()
            raise EmbeddedServerError(f"Postgres runs but its database could not be made:\n{said}")
