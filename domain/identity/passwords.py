"""Passwords: bcrypt, computed in threads so that a sign-in stalls nobody's socket."""

import asyncio
import unicodedata
from typing import Final

from pwdlib import PasswordHash
from pwdlib.hashers.bcrypt import BcryptHasher

from domain.identity.errors import UnfitPassword

# What bcrypt reads; it would ignore, or refuse, the rest.
PASSWORD_BYTES: Final = 72
USUAL_COST: Final = 12

# Salt and hash that belong to no password. Verified where there is no account, so that both take equally long.
_NOBODY: Final = "4BL.QOTGmEc7prNwyb...OEb57PfBxml2WnUL1r08YD6FZoa28jGu"


def check_password(password: str, min_length: int) -> None:
    """Raises ``UnfitPassword`` for one that is too short, too long for bcrypt, or holds control characters."""
    if len(password) < min_length:
        raise UnfitPassword(f"A password needs at least {min_length} characters.")
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in password):
        raise UnfitPassword("A password cannot contain control characters.")
    if len(_normal_form(password)) > PASSWORD_BYTES:
        raise UnfitPassword(f"A password can be at most {PASSWORD_BYTES} bytes long in UTF-8.")


async def hash_password(password: str, cost: int = USUAL_COST) -> str:
    """The bcrypt hash of a password that ``check_password`` let through; ``cost`` doubles the time with each one."""
    return await asyncio.to_thread(_hasher(cost).hash, _normal_form(password))


async def matches(password: str, password_hash: str | None, cost: int = USUAL_COST) -> bool:
    """True when that is the password.

    False takes as long for every account as it does without one (no hash): what ``cost`` takes.
    """
    secret = _normal_form(password)
    is_possible = len(secret) <= PASSWORD_BYTES and password_hash is not None
    against = password_hash or _nobodys(cost)
    return await asyncio.to_thread(_verify, secret[:PASSWORD_BYTES], against, cost) and is_possible


def _verify(secret: bytes, against: str, cost: int) -> bool:
    if _hasher(cost).verify(secret, against):
        return True
    # A hash from before the cost was raised has failed sooner. 2^c + (2^c + ... + 2^(cost-1)) = 2^cost.
    for missing in range(_cost_of(against), cost):
        _hasher(missing).verify(secret, _nobodys(missing))
    return False


def _nobodys(cost: int) -> str:
    return f"$2b${cost:02}${_NOBODY}"


def _cost_of(password_hash: str) -> int:
    return int(password_hash.split("$")[2])


def needs_rehash(password_hash: str, cost: int) -> bool:
    """True for a hash that was made with another cost."""
    return BcryptHasher(rounds=cost).check_needs_rehash(password_hash)


def _hasher(cost: int) -> PasswordHash:
    return PasswordHash([BcryptHasher(rounds=cost)])


def _normal_form(password: str) -> bytes:
    """One form for what keyboards compose differently (RFC 8265, OpaqueString)."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
