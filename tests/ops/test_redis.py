"""The embedded Redis server, for real."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ops.embedded import EmbeddedRedis, EmbeddedServerError
from tests.ops.helpers import ROOT, eventually, processes_naming


def ask(server: EmbeddedRedis, *commands: str, password: str | None = None) -> list[str]:
    """Send inline commands after signing in; one line of answer for each."""
    port = server.port
    assert port is not None
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for command in (f"AUTH {password or server.password}", *commands, "QUIT"):
            connection.sendall(f"{command}\r\n".encode())
        answer = b""
        while part := connection.recv(4096):
            answer += part
    return answer.decode().split("\r\n")[1:-2] if password is None else answer.decode().split("\r\n")


def test_it_is_fit_for_a_broker(folder: Path) -> None:
    with EmbeddedRedis(folder / "redis") as server:
        assert server.url == f"redis://:{server.password}@127.0.0.1:{server.port}/0"
        assert ask(server, "CONFIG GET maxmemory-policy")[-1] == "noeviction"
        assert ask(server, "CONFIG GET appendonly")[-1] == "yes"
        assert ask(server, "CONFIG GET bind")[-1] == "127.0.0.1"
        assert ask(server, "SPUBLISH channel hello") == [":0"]
        assert ask(server, password="wrong")[0].startswith("-WRONGPASS")


def test_the_password_is_on_no_command_line(folder: Path) -> None:
    with EmbeddedRedis(folder / "redis") as server:
        assert server.pid in processes_naming(str(folder))
        assert not processes_naming(server.password)


def test_a_restart_keeps_data_password_and_port(folder: Path) -> None:
    with EmbeddedRedis(folder / "redis") as server:
        first = server.url
        ask(server, "SET kept 42")
    with EmbeddedRedis(folder / "redis") as server:
        assert server.url == first
        assert ask(server, "GET kept") == ["$2", "42"]


def test_a_hard_kill_loses_nothing(folder: Path) -> None:
    server = EmbeddedRedis(folder / "redis")
    server.start()
    ask(server, "SET kept 42")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    assert eventually(lambda: server.poll() is not None)
    server.stop()
    with EmbeddedRedis(folder / "redis") as again:
        assert ask(again, "GET kept") == ["$2", "42"]


def test_in_memory_it_forgets(folder: Path) -> None:
    with EmbeddedRedis(folder / "redis", persistent=False) as server:
        ask(server, "SET kept 42")
    with EmbeddedRedis(folder / "redis", persistent=False) as server:
        assert ask(server, "GET kept") == ["$-1"]


def test_a_stale_record_may_name_another_process_which_is_left_alone(folder: Path) -> None:
    with EmbeddedRedis(folder / "redis") as server:
        record = server.data / "server.pid"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        record.write_text(f"{stranger.pid}\n")
        with EmbeddedRedis(folder / "redis") as server:
            assert ask(server, "PING") == ["+PONG"]
        assert stranger.poll() is None
        stranger.kill()


def test_it_ends_with_its_owner(folder: Path) -> None:
    script = (
        "import os; from pathlib import Path; from ops.embedded import EmbeddedRedis\n"
        f"EmbeddedRedis(Path({str(folder / 'redis')!r})).start()\n"
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
    assert eventually(lambda: not processes_naming(str(folder)))


def test_broken_data_is_explained_and_kept(folder: Path) -> None:
    with EmbeddedRedis(folder / "redis") as server:
        manifest = server.data / "appendonlydir" / "appendonly.aof.manifest"
    manifest.write_text("nonsense\n")
    with pytest.raises(EmbeddedServerError, match=r"(?s)Redis ended with exit code 1\. Its data stays.*manifest"):
        EmbeddedRedis(folder / "redis").start()
    assert manifest.read_text() == "nonsense\n"
