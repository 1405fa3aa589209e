"""The code that a screen shows, decided without I/O. After the Device Authorization Grant (RFC 8628)."""

import secrets
from datetime import timedelta
from typing import Final

PAIRING_LIFETIME: Final = timedelta(minutes=10)
POLL_SECONDS: Final = 3

# RFC 8628, 6.1: no vowels, hence no words, and nothing that is read as something else across a room.
_ALPHABET: Final = "BCDFGHJKLMNPQRSTVWXZ"
_LENGTH: Final = 8


def new_code() -> str:
    """Eight letters in two groups: one of 25 thousand million."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    return f"{letters[:4]}-{letters[4:]}"


def normal_code(typed: str) -> str:
    """A code as people type it: without the hyphen, in small letters, with spaces."""
    letters = "".join(character for character in typed.upper() if character.isalpha())
    return f"{letters[:4]}-{letters[4:]}"
