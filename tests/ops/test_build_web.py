"""Building pages with the real npm, in small folders."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ops.build_web import OLDEST_NODE, WebBuilder, WebBuildError, find_node

LOCK = {"name": "stub", "lockfileVersion": 3, "requires": True, "packages": {"": {"name": "stub"}}}


@pytest.fixture
def web(tmp_path: Path) -> Path:
    """A folder whose build counts how often it ran, beside it."""
    folder = tmp_path / "web"
    (folder / "app").mkdir(parents=True)
    (folder / "app" / "board.ts").write_text("1")
    (folder / "package-lock.json").write_text(json.dumps(LOCK))
    write_package(folder, "mkdir -p dist && echo built >> ../builds", test="echo tested >> ../tests")
    return folder


def write_package(folder: Path, build: str, **scripts: str) -> None:
    package = {"name": "stub", "private": True, "scripts": {"build": build, **scripts}}
    (folder / "package.json").write_text(json.dumps(package))


def builder(web: Path) -> WebBuilder:
    return WebBuilder(web, web.parent / "var/log/build.log")


def test_it_builds_once_until_a_source_changes(web: Path) -> None:
    assert not builder(web).is_fresh()
    assert builder(web).build()
    assert builder(web).is_fresh()
    assert not builder(web).build()
    (web / "app" / "board.ts").write_text("2")
    assert not builder(web).is_fresh()
    assert builder(web).build()
    (web / "app" / "desk.ts").write_text("new")
    assert builder(web).build()
    assert (web.parent / "builds").read_text().split() == ["built"] * 3


def test_a_failure_keeps_the_full_log_and_is_tried_again(web: Path) -> None:
    write_package(web, "seq 100; echo broken >&2; exit 3")
    with pytest.raises(WebBuildError, match=r"(?s)npm run build ended with 3.*broken"):
        builder(web).build()
    assert "\n1\n" in (web.parent / "var/log/build.log").read_text()
    assert not builder(web).is_fresh()


def test_tests_need_more_packages_and_are_installed_once(web: Path) -> None:
    builder(web).build()
    stamp = web / "node_modules" / ".stamp"
    assert "tests" not in stamp.read_text()
    assert builder(web).test() == 0
    assert "tests" in stamp.read_text()
    installed = stamp.stat().st_mtime_ns
    assert builder(web).test() == 0
    (web / "app" / "board.ts").write_text("2")
    builder(web).build()
    assert stamp.stat().st_mtime_ns == installed
    assert (web.parent / "tests").read_text().split() == ["tested"] * 2


def write_old_node(folder: Path) -> None:
    """A node that is too old, with its npm."""
    old = folder / "node"
    old.write_text("#!/bin/sh\necho v18.1.0\n")
    old.chmod(old.stat().st_mode | stat.S_IXUSR)
    (folder / "npm").symlink_to(old)


def test_node_of_the_python_package_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_old_node(tmp_path)
    for path in (str(tmp_path), "/nowhere"):
        monkeypatch.setenv("PATH", path)
        programs, npm = find_node()
        assert programs.is_relative_to(sys.prefix)
        # Run, not only found: the package's own bin/npm exists and does not work.
        said = subprocess.run([*npm, "--version"], capture_output=True, text=True, check=False)
        assert re.fullmatch(r"\d+\.\d+\.\d+", said.stdout.strip()), said.stderr


def test_pages_are_built_by_node_of_the_python_package(web: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = web.parent / "old"
    old.mkdir()
    write_old_node(old)
    monkeypatch.setenv("PATH", f"{old}{os.pathsep}{os.environ['PATH']}")
    write_package(web, "mkdir -p dist && node --version > ../version")
    builder(web).build()
    assert int((web.parent / "version").read_text()[1:].partition(".")[0]) >= OLDEST_NODE


def test_without_a_home_npm_keeps_its_cache_here(web: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "")
    write_package(web, 'mkdir -p dist && echo "$npm_config_cache" > ../cache')
    builder(web).build()
    assert (web.parent / "cache").read_text().strip() == str(web.parent / "var/cache/npm")
