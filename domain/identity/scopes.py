"""What an API key, a screen or an unfinished sign-in may do, decided without I/O. Nothing, where nothing is said here.

A scope is ``resource:read`` or ``resource:write``. A key has the rights of its owner's role, narrowed to its scopes.
"""

import re
from typing import Final

# The first word of an address below /api/v1, and the resource that it belongs to. What is not here (accounts, keys,
# invitations, screens) is for people only.
_RESOURCES: Final = {
    "queue": "queues",
    "queues": "queues",
    "counters": "queues",
    "clinics": "clinics",
    "doctors": "doctors",
    "patients": "patients",
    "slots": "appointments",
    "appointments": "appointments",
    "waitlist": "appointments",
    "chat": "chat",
    "notifications": "notifications",
    "medical-records": "records",
    "records": "records",
    "billing": "billing",
    "procedures": "travel",
    "facilities": "travel",
    "travel-estimates": "travel",
    "bookings": "travel",
    "dashboard": "analytics",
    "analytics": "analytics",
}
METRICS: Final = "metrics:read"
"""Of an administrator's key for Prometheus: it reads ``/metrics``, and nothing else."""
SCOPES: Final = frozenset(
    {METRICS, *(f"{resource}:{verb}" for resource in _RESOURCES.values() for verb in ("read", "write"))}
)
"""Those that an API key can have."""

ENROL: Final = "second-factor"
"""Of a sign-in whose role needs a second factor that is not set up yet: it may do that, and nothing else."""

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_BOARD: Final = re.compile(r"/api/v1/queues/([0-9a-f-]{36})/board(/events)?")
_ADDRESS: Final = re.compile(r"/api/v1/([^/]+)(?:/.*)?")
_OWN_ACCOUNT: Final = "/api/v1/users/me"
_CHANNELS: Final = {
    "thread": "chat:read",
    "user": "notifications:read",
    "board": "queues:read",
    "clinic": "queues:read",
}


def board_scope(queue_id: str) -> str:
    """The one scope of a screen."""
    return f"board:{queue_id}"


def allows_request(scopes: frozenset[str], method: str, path: str) -> bool:
    """True when one of the scopes covers that request. Anybody who is signed in may ask who they are."""
    is_safe = method in _SAFE
    if is_safe and path == _OWN_ACCOUNT:
        return True
    if is_safe and path == "/metrics":
        return METRICS in scopes
    if path.startswith("/api/v1/auth/second-factor") and ENROL in scopes:
        return True
    board = _BOARD.fullmatch(path)
    if is_safe and board and board_scope(board[1]) in scopes:
        return True
    address = _ADDRESS.fullmatch(path)
    resource = _RESOURCES.get(address[1]) if address else None
    return resource is not None and f"{resource}:{'read' if is_safe else 'write'}" in scopes


def allows_channel(scopes: frozenset[str], channel: str) -> bool:
    """True when one of the scopes covers following that channel of the hub."""
    kind = channel.partition(":")[0]
    return channel in scopes or _CHANNELS.get(kind) in scopes
