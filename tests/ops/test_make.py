"""The Makefile and the bootstrap, with the machine's make and Python."""

import os
import subprocess
import sys
from pathlib import Path
from shutil import copy

import pytest

from tests.ops.helpers import ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with locks that ask for nothing."""
    (tmp_path / "ops").mkdir()
    (tmp_path / "requirements").mkdir()
    copy(ROOT / "Makefile", tmp_path)
    copy(ROOT / "ops" / "bootstrap.py", tmp_path / "ops")
    for name in ("run", "test"):
        (tmp_path / "requirements" / f"{name}.lock").write_text("")
    return tmp_path


def make(checkout: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
        environment.pop(name, None)
    return subprocess.run(
        ["make", *arguments], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )


def test_make_alone_lists_every_command(checkout: Path) -> None:
    said = make(checkout).stdout
    for command in ("run", "test", "lint", "types", "contracts", "format", "simulate", "migrate", "psql", "clean"):
        assert f"  make {command} " in said


def test_the_environment_is_made_once_and_again_when_the_lock_changes(checkout: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    first = make(checkout, ".run", f"PYTHON={sys.executable}", HOME="")
    assert first.returncode == 0, first.stderr
    assert "Making the Python environment" in first.stdout
    assert make(checkout, ".run", f"PYTHON={sys.executable}", HOME=str(home)).stdout == ""
    (checkout / "requirements/run.lock").write_text("# another one\n")
    assert "Installing" in make(checkout, ".run", f"PYTHON={sys.executable}").stdout
    assert not home.exists()

    (checkout / "var").mkdir()
    (checkout / "var" / "data").write_text("precious")
    assert make(checkout, "clean").returncode == 0
    assert not (checkout / ".venv").exists()
    assert (checkout / "var" / "data").read_text() == "precious"


def test_a_package_with_another_hash_is_refused_and_tried_again(checkout: Path) -> None:
    wheelhouse = checkout / "wheels"
    wheelhouse.mkdir()
    (wheelhouse / "tiny-1.0-py3-none-any.whl").write_bytes(b"not what was locked")
    (checkout / "requirements/run.lock").write_text("tiny==1.0 --hash=sha256:" + "0" * 64 + "\n")
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheelhouse), "PIP_CONFIG_FILE": os.devnull}
    for _ in range(2):
        result = make(checkout, ".run", f"PYTHON={sys.executable}", **offline)
        assert result.returncode != 0
        assert "DO NOT MATCH THE HASHES" in result.stderr
        assert "Could not install the locked packages" in result.stderr


def test_an_old_python_and_none_are_explained(checkout: Path) -> None:
    script = (
        "import sys, runpy; sys.version_info = (3, 9, 2, 'final', 0); sys.argv = ['bootstrap.py', 'run']\n"
        "runpy.run_path('ops/bootstrap.py', run_name='__main__')"
    )
    old = subprocess.run([sys.executable, "-c", script], cwd=checkout, capture_output=True, text=True, check=False)
    assert old.returncode == 1
    assert "needs Python 3.11 or newer" in old.stderr
    assert "is Python 3.9" in old.stderr
    none = make(checkout, ".run", "PYTHON=python-that-is-not-there")
    assert none.returncode != 0
    assert "python-that-is-not-there was not found" in none.stdout


def test_a_python_without_ensurepip_is_explained(checkout: Path) -> None:
    lame = checkout / "lame-python"
    lame.write_text(
        f'#!/bin/sh\ncase "$*" in *"-m venv"*) echo "No module named venv"; exit 1;; esac\nexec {sys.executable} "$@"\n'
    )
    lame.chmod(0o755)
    script = (
        f"import sys, runpy; sys.executable = {str(lame)!r}; sys.argv = ['bootstrap.py', 'run']\n"
        "runpy.run_path('ops/bootstrap.py', run_name='__main__')"
    )
    result = subprocess.run([sys.executable, "-c", script], cwd=checkout, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "apt install python3-venv" in result.stderr


def test_every_command_of_ops_has_help() -> None:
    listing = subprocess.run(
        [sys.executable, "-m", "ops", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for command in ("up", "web", "migrate", "seed", "simulate", "build-web", "psql", "status"):
        assert f"  {command} " in listing.stdout
    wrong = subprocess.run(
        [sys.executable, "-m", "ops", "dance"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 2
    assert "invalid choice: 'dance'" in wrong.stderr
