"""This checkout's own folder var/: who runs in it, its secret, and what is running."""

import fcntl
import json
import os
import secrets
from pathlib import Path
from typing import IO, Any

from ops.embedded.errors import explain_os_error

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / "var"


class CheckoutError(Exception):
    """This checkout cannot be used as asked; the message is for people."""


class Checkout:
    """The folder var/ of a checkout (or another folder, for tests)."""

    def __init__(self, var: Path = VAR) -> None:
        self.var = var
        self._lock: IO[str] | None = None

    @property
    def logs(self) -> Path:
        """Where every process has its log."""
        return self.var / "log"

    @property
    def run_file(self) -> Path:
        """What is running now: addresses and process ids. Only the owner reads it."""
        return self.var / "run.json"

    def claim(self) -> None:
        """Be the only supervisor here, until our process ends.

        Raises:
            CheckoutError: when another one is, or when var/ cannot be used.
        """
        try:
            self.var.mkdir(exist_ok=True)
            lock = (self.var / "lock").open("a+", encoding="ascii")
        except OSError as error:
            sentence = explain_os_error(error, f"use the folder {self.var}, which holds all data")
            raise CheckoutError(str(sentence)) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise CheckoutError(self._who_runs()) from None
        self._lock = lock

    def is_claimed(self) -> bool:
        """Whether a supervisor runs here, now."""
        try:
            with (self.var / "lock").open("r", encoding="ascii") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    def _who_runs(self) -> str:
        running = self.running()
        where = f" at {running['url']}" if "url" in running else ""
        who = f" (process {running['pid']})" if "pid" in running else ""
        end = f", or with: kill {running['pid']}" if "pid" in running else ""
        return f"Carebell is running in this checkout already{where}{who}. Stop it with Ctrl-C in its terminal{end}"

    def running(self) -> dict[str, Any]:
        """What the running supervisor wrote; empty when it has not come that far."""
        try:
            found = json.loads(self.run_file.read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return found if isinstance(found, dict) else {}

    def record(self, running: dict[str, Any]) -> None:
        """Write what is running, readable by the owner only."""
        write_private(self.run_file, json.dumps(running, indent=2) + "\n")

    def forget(self) -> None:
        """Nothing is running any more."""
        self.run_file.unlink(missing_ok=True)

    def secret_key(self) -> str:
        """The signing key of this checkout, for development; made once."""
        path = self.var / "secret_key"
        if not path.exists():
            write_private(path, secrets.token_urlsafe(48) + "\n")
        return path.read_text(encoding="ascii").strip()


def write_private(path: Path, text: str) -> None:
    """Write a file as a whole or not at all, readable by the owner only."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.touch(mode=0o600)
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
