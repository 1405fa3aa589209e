"""Where a server's data may lie, and as whom the server runs.

An ordinary user runs servers as itself, with the data right where the caller wants it. Root cannot:
Postgres refuses to run as root. Then the server runs as an unprivileged user, and when that user
cannot enter the wanted folder (a home with mode 0700, say) the data goes to a state folder outside
and a readable pointer stays behind. No folder that is not our own changes its mode or its owner.
"""

import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops.embedded.errors import EmbeddedServerError, explain_os_error

POINTER = "LOCATION.txt"
"""Name of the file that says where the data lies when it cannot lie here; the path is line 1."""

UNPRIVILEGED = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """An unprivileged user that runs servers in place of root."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Place:
    """A folder of our own for one server, and the account that runs it (None: ourselves)."""

    home: Path
    account: Account | None

    def give(self, path: Path) -> None:
        """Hand a file or folder that we just made to the account that runs the server."""
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid)


def settle(directory: Path) -> Place:
    """Find or make the place of the server whose files the caller wants in `directory`.

    Raises:
        EmbeddedServerError: when the folder cannot be made, entered or is somebody else's.
    """
    directory = directory.absolute()
    try:
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        place = _settle_as_root(directory) if os.geteuid() == 0 else _settle_as_user(directory)
        if not place.home.exists():
            place.home.mkdir()
            # Ours, not the account's: root must not write into a folder where another user
            # may have laid links. Only the data folder within belongs to the account.
            place.home.chmod(0o711 if place.account else 0o700)
    except OSError as error:
        raise explain_os_error(error, f"prepare the folder {directory}") from error
    return place


def _settle_as_user(directory: Path) -> Place:
    pointer = directory / POINTER
    if pointer.exists():
        raise EmbeddedServerError(
            f"The data of {directory} was made by root and lies elsewhere ({pointer} says where). "
            f"Start as root again, or move {directory} aside to begin with empty data."
        )
    home = directory / "server"
    if home.exists() and home.stat().st_uid != os.geteuid():
        raise EmbeddedServerError(
            f"{home} belongs to another user (number {home.stat().st_uid}). Start as that user, "
            f"or move {directory} aside to begin with empty data."
        )
    return Place(home, None)


def _settle_as_root(directory: Path) -> Place:
    home = _home_for_root(directory)
    account = _account()
    if home is None:
        home = directory / "server"
        if not can_enter(account, directory):
            home = _home_outside(directory)
            _leave_pointer(directory, home, account)
    if (home / "data").exists():
        account = _account_of_owner(home / "data", account)
    if home.exists() and not can_enter(account, home):
        raise EmbeddedServerError(
            f"The data in {home} belongs to the user {account.name}, who can no longer enter "
            f"that folder. Let {account.name} in again, or move {directory} aside to begin "
            "with empty data."
        )
    return Place(home, account)


def _home_for_root(directory: Path) -> Path | None:
    """The home that an earlier start has chosen, or None."""
    pointer = directory / POINTER
    home = _pointed_at(pointer) if pointer.exists() else directory / "server"
    return home if home.exists() else None


def _pointed_at(pointer: Path) -> Path:
    return Path(pointer.read_text(encoding="utf-8").splitlines()[0])


def _account() -> Account:
    named = os.environ.get("EMBEDDED_USER")
    for name in (named,) if named else UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedServerError(
        "Postgres does not run as root, and this machine has no unprivileged user named "
        f"{' or '.join((named,) if named else UNPRIVILEGED)}. "
        "Set EMBEDDED_USER to the name of one."
    )


def _account_of_owner(data: Path, default: Account) -> Account:
    """The account that owns existing data: who made it goes on running it."""
    status = data.stat()
    if status.st_uid == default.uid:
        return default
    if status.st_uid == 0:
        raise EmbeddedServerError(
            f"{data} belongs to root, but the server runs as {default.name}. Give it back with: "
            f"chown -R {default.name} {data}"
        )
    try:
        name = pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        name = str(status.st_uid)
    return Account(name, status.st_uid, status.st_gid)


def can_enter(account: Account, folder: Path) -> bool:
    """Whether the account may enter the folder: tried for real, so access lists count too."""
    return try_as(account, ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)])


def try_as(account: Account, command: list[str]) -> bool:
    """Whether a command run by the account succeeds; it must be a quick and harmless one."""
    try:
        return run_as(account, command).returncode == 0
    except PermissionError:
        return False


def run_as(account: Account | None, command: list[str]) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end as the account (None: ourselves); stdout carries both outputs.

    Raises:
        PermissionError: when the account may not run the program.
    """
    return subprocess.run(
        command,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        umask=0o077,
        check=False,
    )


def state_folder() -> Path:
    """Root's folder for data and programs that the server's user must reach; made when missing."""
    folder = Path(os.environ.get("EMBEDDED_STATE_DIR") or "/var/lib/carebell")
    if not folder.exists():
        folder.mkdir(parents=True)
        folder.chmod(0o755)  # whatever our umask; the folder is ours, we just made it
    return folder


def _home_outside(directory: Path) -> Path:
    digest = hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:12]
    return state_folder() / f"{directory.name}-{digest}"


def _leave_pointer(directory: Path, home: Path, account: Account) -> None:
    if not can_enter(account, home.parent):
        raise EmbeddedServerError(
            f"The user {account.name}, who runs the server in place of root, can enter neither "
            f"{directory} nor {home.parent}. Set EMBEDDED_STATE_DIR to a folder where it can."
        )
    (directory / POINTER).write_text(
        f"{home}\n\nThe data lies in the folder above: started by root, the server runs as the "
        f"user {account.name},\nwho cannot enter this folder.\n",
        encoding="utf-8",
    )


@contextmanager
def throwaway_folder() -> Iterator[Path]:
    """A new folder that the server's user can enter, for tests; all data in it goes at the end.

    Stop the servers in it before leaving. Includes data that had to move to the state folder.
    """
    folder = Path(tempfile.mkdtemp(prefix="carebell-"))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        for pointer in folder.rglob(POINTER):
            moved = _pointed_at(pointer)
            if moved.exists():
                shutil.rmtree(moved)
        shutil.rmtree(folder)
