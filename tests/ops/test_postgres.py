"""The embedded Postgres server, for real."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from ops.embedded import EmbeddedPostgres, EmbeddedServerError
from ops.embedded.processes import command_line, free_port
from tests.ops.helpers import ROOT, eventually, processes_naming


async def ask(url: str, question: str) -> object:
    """One value from the database."""
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


def postgres(folder: Path, port: int | None = None) -> EmbeddedPostgres:
    return EmbeddedPostgres(folder / "postgres", port=port, durable=False)


async def test_it_is_a_safe_and_portable_database(folder: Path) -> None:
    with EmbeddedPostgres(folder / "postgres") as server:
        url = server.url
        assert url.startswith("postgresql://carebell:")
        assert url.endswith(f"@127.0.0.1:{server.port}/carebell")
        assert str(await ask(url, "SHOW server_version")).startswith("18")
        assert await ask(url, "SHOW fsync") == "on"
        assert await ask(url, "SHOW data_checksums") == "on"
        assert await ask(url, "SHOW server_encoding") == "UTF8"
        assert await ask(url, "SHOW listen_addresses") == "127.0.0.1"
        assert await ask(url, "SELECT datlocprovider::text FROM pg_database WHERE datname = 'carebell'") == "b"
        assert await ask(url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
        with pytest.raises(asyncpg.InvalidPasswordError):
            await ask(url.replace(server.password, "wrong"), "SELECT 1")


async def test_a_restart_keeps_data_password_and_port(folder: Path) -> None:
    with postgres(folder) as server:
        first = server.url
        await ask(first, "CREATE TABLE kept AS SELECT 42 AS answer")
    with postgres(folder) as server:
        assert server.url == first
        assert await ask(server.url, "SELECT answer FROM kept") == 42


async def test_it_starts_after_a_hard_kill(folder: Path) -> None:
    server = postgres(folder)
    await ask(server.start(), "CREATE TABLE kept AS SELECT 1")
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: server.poll() is not None)
    server.stop()
    assert (server.data / "postmaster.pid").exists()
    with postgres(folder) as again:
        assert await ask(again.url, "SELECT count(*) FROM kept") == 1


def test_a_stale_record_may_name_another_process_which_is_left_alone(folder: Path) -> None:
    with postgres(folder) as server:
        record = server.data / "postmaster.pid"
        lines = record.read_text().splitlines()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        record.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        with postgres(folder) as server:
            assert server.poll() is None
        assert stranger.poll() is None
        stranger.kill()


def test_a_server_that_outlived_its_owner_is_replaced(folder: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from ops.embedded import EmbeddedPostgres\n"
        "import ops.embedded.server as server\n"
        "leash = server.on_a_leash\n"
        # As on a system without parent-death signals: signal 0 is none.
        "server.on_a_leash = lambda command, signal, account: leash(command, 0, account)\n"
        f"EmbeddedPostgres(Path({str(folder / 'postgres')!r}), durable=False).start()\n"
        "os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False)
    orphan = int((folder / "postgres/server/data/postmaster.pid").read_text().splitlines()[0])
    assert command_line(orphan)
    with postgres(folder) as server:
        assert server.pid != orphan
        assert server.poll() is None
        assert not command_line(orphan)


def test_it_ends_with_its_owner(folder: Path) -> None:
    script = (
        "import os; from pathlib import Path; from ops.embedded import EmbeddedPostgres\n"
        f"EmbeddedPostgres(Path({str(folder / 'postgres')!r}), durable=False).start()\n"
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
    assert eventually(lambda: not processes_naming(str(folder)))


def test_two_owners_of_one_folder(folder: Path) -> None:
    with postgres(folder), pytest.raises(EmbeddedServerError, match=f"in use already, by process {os.getpid()}"):
        postgres(folder).start()


def test_a_taken_port_is_named(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(EmbeddedServerError, match=f"Port {port} for Postgres is taken"):
            postgres(folder, port).start()


def test_a_given_port_is_used_and_a_kept_one_given_up_when_taken(folder: Path) -> None:
    port = free_port()
    with postgres(folder, port) as server:
        assert server.port == port
    with socket.create_server(("127.0.0.1", port)), postgres(folder) as server:
        assert server.port not in (None, port)


def test_data_of_another_major_version_stays_untouched(folder: Path) -> None:
    with postgres(folder) as server:
        version = server.data / "PG_VERSION"
    version.write_text("15\n")
    with pytest.raises(EmbeddedServerError, match="is of Postgres 15, but Postgres 18 is installed"):
        postgres(folder).start()
    assert version.read_text() == "15\n"


def test_a_folder_with_something_else_stays_untouched(folder: Path) -> None:
    with postgres(folder) as server:
        data = server.data
    owner = data.stat()
    data.rename(data.with_name("elsewhere"))
    data.mkdir()
    os.chown(data, owner.st_uid, owner.st_gid)
    (data / "letter.txt").write_text("dear")
    with pytest.raises(EmbeddedServerError, match="is not a Postgres data folder"):
        postgres(folder).start()
    assert (data / "letter.txt").read_text() == "dear"


def test_broken_data_is_explained_with_the_servers_own_words(folder: Path) -> None:
    with postgres(folder) as server:
        control = server.data / "global" / "pg_control"
    control.write_bytes(b"")
    with pytest.raises(EmbeddedServerError, match=r"(?s)Postgres .*ended .* Its data stays.*pg_control"):
        postgres(folder).start()
    assert control.read_bytes() == b""


def test_a_first_start_that_was_interrupted_begins_again(folder: Path) -> None:
    unfinished = folder / "postgres/server/data.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    with postgres(folder) as server:
        assert server.poll() is None
    assert not unfinished.exists()


def test_a_file_in_place_of_the_folder(folder: Path) -> None:
    (folder / "postgres").write_text("a file")
    with pytest.raises(EmbeddedServerError, match="Could not prepare the folder"):
        postgres(folder).start()
    assert (folder / "postgres").read_text() == "a file"
