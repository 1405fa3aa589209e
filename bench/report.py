"""What is printed and saved."""

import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def say(line: str) -> None:
    """One line, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def machine() -> dict[str, Any]:
    """Where it was measured: processors, kernel, Python, and how busy it was."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "processors": os.cpu_count(),
        "model": models[0].split(":", 1)[1].strip() if models else platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
    }


def save(path: Path, results: dict[str, Any]) -> None:
    """Add to what other commands have measured: the newest of each stays."""
    known = json.loads(path.read_text()) if path.exists() else {}
    known |= results | {"machine": machine(), "at": datetime.now(UTC).isoformat(timespec="seconds")}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(known, indent=1) + "\n")
