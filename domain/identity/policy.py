"""Who may do what with accounts."""

from typing import Final
from uuid import UUID

from core.access import Party, declare
from core.actor import Actor, Role
from core.errors import Authentication, Authorization
from domain.identity.errors import InsufficientScope, SecondFactorSetupRequired
from domain.identity.scopes import ENROL, allows_channel, allows_request

SIGNING_OUT: Final = declare(
    "identity.signing_out",
    "Everybody but devices, signed in or not: a screen is taken down by staff.",
    *(party for party in Party if party != Party.DEVICE),
)
KEY_OWNERS: Final = declare(
    "identity.key_owners",
    "Whoever works here, about API keys of their own; administrators about all.",
    Party.STAFF,
    Party.OTHER_STAFF,
    Party.DOCTOR,
    Party.ADVISOR,
    Party.ADMIN,
    is_own=True,
)

_KEY_OWNERS: Final = frozenset({Role.ADMIN, Role.DOCTOR, Role.STAFF, Role.ADVISOR})


def check_may_create_user(actor: Actor, role: Role) -> None:
    """Everybody may register as a patient; other roles are given by administrators and the product itself.

    Raises ``Authorization``.
    """
    if role != Role.PATIENT and actor.role != Role.ADMIN and not actor.is_system:
        raise Authorization("Only an administrator can create an account with this role.")


def user_of(actor: Actor) -> UUID:
    """The person whose own account is meant. Raises ``Authentication`` when nobody is signed in."""
    if actor.user_id is None:
        raise Authentication
    return actor.user_id


def check_may_manage_users(actor: Actor) -> None:
    """Administrators and the product itself. Raises ``Authorization``."""
    if actor.role != Role.ADMIN and not actor.is_system:
        raise Authorization("Only administrators manage accounts.")


def check_may_invite(actor: Actor) -> UUID:
    """Administrators; the letter says whose invitation it is. Raises ``Authorization``."""
    if actor.role != Role.ADMIN or actor.user_id is None:
        raise Authorization("Only administrators invite people.")
    return actor.user_id


def check_may_make_key(actor: Actor) -> UUID:
    """Whoever works here, for their own rights; not by way of another key. Raises ``Authorization``."""
    if actor.user_id is None or actor.role not in _KEY_OWNERS or actor.scopes is not None:
        raise Authorization("API keys are made by people who work here.")
    return actor.user_id


def manages_all_keys(actor: Actor) -> bool:
    """Administrators end the keys of everybody."""
    return actor.role == Role.ADMIN


def check_scope_of_request(actor: Actor, method: str, path: str) -> None:
    """What shows a key does no more than its scopes say. Raises ``Authorization``."""
    if actor.scopes is not None and not allows_request(actor.scopes, method, path):
        raise SecondFactorSetupRequired if ENROL in actor.scopes else InsufficientScope


def check_scope_of_channel(actor: Actor, channel: str) -> None:
    """The same for following a channel of the hub. Raises ``Authorization``."""
    if actor.scopes is not None and not allows_channel(actor.scopes, channel):
        raise SecondFactorSetupRequired if ENROL in actor.scopes else InsufficientScope


def check_scope(actor: Actor, scope: str) -> None:
    """The same for a command that needs that scope by name. Raises ``Authorization``."""
    if actor.scopes is not None and scope not in actor.scopes:
        raise SecondFactorSetupRequired if ENROL in actor.scopes else InsufficientScope
