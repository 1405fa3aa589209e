"""What the processes of one checkout are told: every setting that `make run` decides itself."""

import os
from pathlib import Path

from core.settings import Settings
from ops.checkout import ROOT, Checkout


def base_environment(settings: Settings, checkout: Checkout, port: int) -> dict[str, str]:
    """The environment for children, without the servers' addresses.

    What was set by hand, in the environment or in .env, is passed on as it is.
    """
    decided = {"PORT": str(port), "HOST": settings.host, "PYTHONUNBUFFERED": "1"}
    if not was_set(settings, "PUBLIC_URL"):
        decided["PUBLIC_URL"] = f"http://localhost:{port}"
    if not was_set(settings, "SECRET_KEY"):
        decided["SECRET_KEY"] = checkout.secret_key()
    if not was_set(settings, "HUB_DRAIN_SECONDS"):
        # One's own clinic on one's own machine need not wait for browsers to move elsewhere.
        decided["HUB_DRAIN_SECONDS"] = "2"
    if os.geteuid() == 0:
        # On one's own machine that is one's own choice; celery would say it at every start.
        decided["PYTHONWARNINGS"] = "ignore:You're running the worker with superuser privileges"
    return {**os.environ, **decided, "PYTHONPATH": python_path(ROOT)}


def was_set(settings: Settings, name: str) -> bool:
    """Whether somebody set this: in the environment, or in .env to something else than the default.

    A copy of .env.example holds every default; it must not keep `make run` from its own servers.
    """
    field = name.lower()
    changed = getattr(settings, field) != Settings.model_fields[field].default
    return name in os.environ or (field in settings.model_fields_set and changed)


def python_path(root: Path) -> str:
    """PYTHONPATH with the checkout first, wherever a process is started from."""
    return os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH", "")]))
