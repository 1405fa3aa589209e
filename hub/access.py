"""Under which policy each command of a socket stands; channels name theirs in ``hub/catalog.py``."""

from typing import Final

from core.access import PUBLIC, SIGNED_IN, Policy
from domain.chat.policy import PARTICIPANTS
from hub.catalog import KINDS
from hub.frames import Auth, Hello, Read, Send, Typing, Unsubscribe

_COMMANDS: Final = {
    Hello: PUBLIC,
    Unsubscribe: PUBLIC,
    Auth: SIGNED_IN,
    Send: PARTICIPANTS,
    Read: PARTICIPANTS,
    Typing: PARTICIPANTS,
}


def socket_policies() -> dict[str, Policy]:
    """The policy of each command by its word, and of ``subscribe`` by the kind of channel."""
    commands = {frame.__name__.lower(): policy for frame, policy in _COMMANDS.items()}
    return commands | {f"subscribe {kind}" + ":{id}": entry.policy for kind, entry in KINDS.items()}
