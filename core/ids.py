"""Identifiers: UUIDv7 (RFC 9562), so that primary keys grow with time and indexes stay dense."""

import secrets
from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A fresh UUIDv7."""
    return uuid7()


def new_token(entropy_bytes: int = 32) -> str:
    """An unguessable URL-safe token with that many bytes of entropy."""
    return secrets.token_urlsafe(entropy_bytes)
