"""Make .venv and install the locked packages in it; `make` runs this with the machine's Python.

    python3 ops/bootstrap.py run|test

It runs before anything is installed, perhaps on an old Python, which it must be able to refuse: so
the standard library only, and no syntax newer than Python 3.6.
"""

import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

OLDEST = (3, 11)
VERSION = "{}.{}".format(*sys.version_info[:2])
ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"


def main() -> int:
    """Bring .venv to the state of the named lock; quiet when it is there already."""
    if sys.version_info < OLDEST:
        return refuse(
            "Carebell needs Python 3.11 or newer; {} is Python {}.{}.\n"
            "Name a newer one, for example: make run PYTHON=python3.12".format(sys.executable, *sys.version_info[:2])
        )
    name = sys.argv[1]
    lock = ROOT / "requirements" / f"{name}.lock"
    stamp = VENV / f"installed-{name}"
    digest = digest_of(lock)
    if is_usable() and read(stamp) == digest:
        return 0
    if not is_usable() and not make_venv():
        return 1
    if not install(lock):
        return 1
    stamp.write_text(digest, encoding="ascii")
    return 0


def is_usable() -> bool:
    """Whether .venv has a Python that runs, new enough, with pip."""
    probe = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    try:
        return subprocess.call([str(PYTHON), "-c", probe], stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def make_venv() -> bool:
    """Make .venv anew; a half-made or outlived one is ours to replace."""
    say("Making the Python environment .venv …")
    if VENV.exists():
        shutil.rmtree(VENV)
    made = subprocess.run(
        [sys.executable, "-m", "venv", str(VENV)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if made.returncode != 0:
        said = made.stdout.decode("utf-8", "replace").strip()
        if "ensurepip" in said or "No module named venv" in said:
            said = (
                "This Python lacks the module venv or ensurepip. On Debian and Ubuntu install it with:\n"
                "    apt install python3-venv"
            )
        refuse("Could not make .venv. " + said)
    return made.returncode == 0


def install(lock: Path) -> bool:
    """Install the lock, hashes checked, with one line of progress."""
    total = sum("==" in line for line in read(lock).splitlines())
    command = [str(PYTHON), "-m", "pip", "install", "--require-hashes", "--no-deps", "--progress-bar", "off"]
    command += ["--disable-pip-version-check", "--no-input", "-r", str(lock)]
    started = time.monotonic()
    said = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as pip:
        assert pip.stdout is not None
        found = 0
        progress(f"0 of {total}")
        for raw in pip.stdout:
            line = raw.decode("utf-8", "replace").rstrip()
            said.append(line)
            if line.startswith(("Collecting ", "Requirement already satisfied: ")):
                found += 1
                progress(f"{min(found, total)} of {total}")
            if line.startswith("Installing collected"):
                progress(f"{total} of {total}, unpacking")
    if pip.returncode != 0:
        say("")
        refuse("\n".join(said[-15:]) + "\n\nCould not install the locked packages; pip's last words are above.")
        return False
    progress(f"{total} in {time.monotonic() - started:.0f} s")
    if sys.stdout.isatty():
        say("")
    return True


def progress(text: str) -> None:
    """Rewrite the line of progress on a terminal; elsewhere a line every now and then."""
    if sys.stdout.isatty():
        sys.stdout.write("\rInstalling the locked packages: " + text + " …\033[K")
    elif text.startswith("0 of") or " in " in text:
        sys.stdout.write("Installing the locked packages: " + text + "\n")
    sys.stdout.flush()


def digest_of(path: Path) -> str:
    """The hash of a lock, with our Python's version: another one needs other packages."""
    return f"{hashlib.sha256(path.read_bytes()).hexdigest()} {VERSION}"


def read(path: Path) -> str:
    """The text of a file, "" when there is none."""
    return path.read_text(encoding="utf-8") if path.exists() else ""


def say(text: str) -> None:
    """Tell the people at the terminal."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def refuse(text: str) -> int:
    """Tell why it does not go on; the exit code for it."""
    sys.stderr.write(text + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
