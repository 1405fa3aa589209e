"""The one error that the embedded servers raise."""

import errno
import shutil
from pathlib import Path

WORKING_BYTES = 32 * 1024 * 1024
"""What Postgres needs free to go on working: two segments of its log."""


class EmbeddedServerError(Exception):
    """A server could not be started, used or stopped; the message is a sentence for people."""


def explain_os_error(error: OSError, doing: str) -> EmbeddedServerError:
    """Turn an operating-system error into a sentence.

    Args:
        error: what the system said.
        doing: what was being attempted, as in "prepare the folder var/postgres".
    """
    where = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return EmbeddedServerError(
            f"The disk is full: could not {doing}{where}. Free some space and start again; nothing was lost."
        )
    reason = error.strerror or str(error)
    return EmbeddedServerError(f"Could not {doing}: {reason}{where}.")


def disk_hint(folder: Path, said: str) -> str:
    """A sentence, with a space in front, when a server that failed had no disk space left; else "".

    Args:
        folder: where its data lies.
        said: the end of its log, which may be cut off or empty on a full disk.
    """
    free = shutil.disk_usage(folder).free
    if free >= WORKING_BYTES and "No space left on device" not in said:
        return ""
    return (
        f" The disk is full ({free // 2**20} MB are free where {folder} lies): free some space and start "
        "again; nothing was lost."
    )
