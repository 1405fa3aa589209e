"""An embedded Redis server: Valkey, which continues Redis under the BSD licence."""

import signal
import socket
from pathlib import Path
from typing import ClassVar

from ops.embedded.processes import HOST
from ops.embedded.programs import redis_program
from ops.embedded.server import EmbeddedServer


class EmbeddedRedis(EmbeddedServer):
    """A Redis server that keeps what it was told, tasks of Celery above all.

    Args:
        directory: where its files shall lie; made when missing. One server a folder.
        port: the port on 127.0.0.1; None takes the one of last time, or any that is free.
        persistent: False keeps everything in memory alone.
        log: the file that its output goes to; None for one beside the data.
    """

    title: ClassVar[str] = "Redis"
    stop_signals: ClassVar[tuple[signal.Signals, ...]] = (signal.SIGTERM,)

    def __init__(
        self,
        directory: Path,
        *,
        port: int | None = None,
        persistent: bool = True,
        log: Path | None = None,
    ) -> None:
        super().__init__(directory, port=port, log=log)
        self._persistent = persistent

    @property
    def url(self) -> str:
        """`redis://:PASSWORD@127.0.0.1:PORT/0`."""
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    def _pid_file(self) -> Path:
        return self.data / "server.pid"

    def _prepare(self) -> None:
        if not self.data.exists():
            self.data.mkdir(mode=0o700)
            self.place.give(self.data)

    def _command(self, port: int) -> list[str]:
        # The configuration comes on standard input, for it holds the password. The data folder is
        # an argument, and the title stays as started, so that an orphan can be told from others.
        program = str(redis_program(self.place.account))
        return [program, "-", "--port", str(port), "--set-proc-title", "no", "--dir", str(self.data)]

    def _input(self) -> bytes:
        lines = [
            f"bind {HOST}",
            f"requirepass {self.password}",
            f'pidfile "{self._pid_file()}"',
            "daemonize no",
            'save ""',
            # One second of tasks at most is lost in a power cut, none in a crash.
            f"appendonly {'yes' if self._persistent else 'no'}",
            "appendfsync everysec",
            # A broker must refuse rather than forget.
            "maxmemory-policy noeviction",
        ]
        return ("\n".join(lines) + "\n").encode()

    def _is_ready(self, port: int) -> bool:
        """It answers a ping of the right password, and has its data loaded."""
        try:
            with socket.create_connection((HOST, port), timeout=1.0) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2:
                    part = connection.recv(256)
                    if not part:
                        return False
                    answer += part
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"

    def _finish_start(self) -> None:
        """Nothing: it has one user and sixteen databases from the start."""
