"""Pure decisions of identity: tokens, the normal form of an address, and which requests may use a cookie.

Tokens are JWTs (RFC 7519) signed with HS256. The audience tells access from refresh tokens, so that neither can be
used as the other.
"""

import hashlib
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import jwt
from email_validator import EmailNotValidError, validate_email

from core.actor import Role
from core.ids import new_id
from domain.identity.errors import ExpiredToken, InvalidEmail, InvalidToken

SOCKET_TICKET_LIFETIME: Final = timedelta(seconds=30)
RESET_LIFETIME: Final = timedelta(minutes=30)
INVITATION_LIFETIME: Final = timedelta(days=7)

API_KEY: Final = "cbk_"
"""How a machine's key begins: those who find one in a log or a repository know what it is."""
SCREEN_KEY: Final = "cbs_"
"""How a screen's key begins."""

_ALGORITHM: Final = "HS256"
_ISSUER: Final = "carebell"
_ACCESS: Final = "carebell:access"
_REFRESH: Final = "carebell:refresh"
_CLAIMS: Final = ["sub", "sid", "jti", "iat", "exp", "iss", "aud"]
# Ours are under 700 characters; what is longer is not worth parsing.
_TOKEN_LIMIT: Final = 2048

# The first that fits: browsers name their ancestors as well.
_BROWSERS: Final = (
    ("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("FxiOS/", "Firefox"), ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"), ("Safari/", "Safari"),
)  # fmt: skip
_SYSTEMS: Final = (
    ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("CrOS", "ChromeOS"), ("Windows", "Windows"),
    ("Mac OS X", "macOS"), ("Linux", "Linux"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a verified access token says."""

    user_id: UUID
    session_id: UUID
    token_id: UUID
    email: str
    role: Role
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class RefreshClaims:
    """What a verified refresh token says; ``token_id`` is the key of its row."""

    user_id: UUID
    session_id: UUID
    token_id: UUID


def write_access_token(
    user_id: UUID, email: str, role: str, session_id: UUID, secret: str, at: datetime, lifetime: timedelta
) -> str:
    """A signed access token for that session, valid from ``at`` for ``lifetime``."""
    claims = _claims(_ACCESS, user_id, session_id, new_id(), at, lifetime) | {"email": email, "role": role}
    return jwt.encode(claims, secret, algorithm=_ALGORITHM)


def write_refresh_token(
    user_id: UUID, session_id: UUID, token_id: UUID, secret: str, at: datetime, lifetime: timedelta
) -> str:
    """A signed refresh token whose row has the key ``token_id``."""
    return jwt.encode(_claims(_REFRESH, user_id, session_id, token_id, at, lifetime), secret, algorithm=_ALGORITHM)


def read_access_token(token: str, secret: str, at: datetime) -> AccessClaims:
    """The claims of a genuine access token that is valid at that moment.

    Says nothing about the session, which may have been revoked since: ``queries.find_actor`` does.
    Raises ``InvalidToken`` or ``ExpiredToken``, both ``Authentication``.
    """
    access = _genuine_access_token(token, secret)
    if at >= access.expires_at:
        raise ExpiredToken
    return access


# A page shows the same token with every request, and looking at the signature takes a twentieth of a millisecond. What
# is not genuine is not remembered.
@lru_cache(maxsize=4096)
def _genuine_access_token(token: str, secret: str) -> AccessClaims:
    return _access_claims(_verify(token, secret, _ACCESS))


def session_of_access_token(token: str, secret: str) -> UUID:
    """The session of a genuine access token, expired or not: signing out must work late as well.

    Raises ``InvalidToken``.
    """
    return _access_claims(_verify(token, secret, _ACCESS)).session_id


def session_of_refresh_token(token: str, secret: str) -> UUID:
    """The session of a genuine refresh token, expired or not. Raises ``InvalidToken``."""
    return _refresh_claims(_verify(token, secret, _REFRESH)).session_id


def read_refresh_token(token: str, secret: str, at: datetime) -> RefreshClaims:
    """The claims of a genuine refresh token that is valid at that moment. Raises like ``read_access_token``."""
    claims = _verify(token, secret, _REFRESH)
    refresh = _refresh_claims(claims)
    try:
        expires_at = datetime.fromtimestamp(claims["exp"], UTC)
    except (ValueError, TypeError, OverflowError, OSError) as malformed:
        raise InvalidToken from malformed
    if at >= expires_at:
        raise ExpiredToken
    return refresh


def _claims(
    audience: str, user_id: UUID, session_id: UUID, token_id: UUID, at: datetime, lifetime: timedelta
) -> dict[str, Any]:
    return {
        "iss": _ISSUER,
        "aud": audience,
        "sub": str(user_id),
        "sid": str(session_id),
        "jti": str(token_id),
        "iat": int(at.timestamp()),
        "exp": int((at + lifetime).timestamp()),
    }


def _verify(token: str, secret: str, audience: str) -> dict[str, Any]:
    """The claims of a token that we signed for that use, expired or not."""
    if len(token) > _TOKEN_LIMIT:
        raise InvalidToken
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            secret,
            algorithms=[_ALGORITHM],
            issuer=_ISSUER,
            audience=audience,
            # Times are compared by the callers, with the time that they are given.
            options={"require": _CLAIMS, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
    # A header of brackets within brackets ends in a RecursionError, before any signature was looked at.
    except (jwt.InvalidTokenError, RecursionError) as refused:
        raise InvalidToken from refused
    return claims


def _access_claims(claims: dict[str, Any]) -> AccessClaims:
    try:
        return AccessClaims(
            user_id=UUID(claims["sub"]),
            session_id=UUID(claims["sid"]),
            token_id=UUID(claims["jti"]),
            email=str(claims["email"]),
            role=Role(claims["role"]),
            issued_at=datetime.fromtimestamp(claims["iat"], UTC),
            expires_at=datetime.fromtimestamp(claims["exp"], UTC),
        )
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError, OSError) as malformed:
        raise InvalidToken from malformed


def _refresh_claims(claims: dict[str, Any]) -> RefreshClaims:
    try:
        return RefreshClaims(UUID(claims["sub"]), UUID(claims["sid"]), UUID(claims["jti"]))
    except (ValueError, TypeError, AttributeError) as malformed:
        raise InvalidToken from malformed


def normalise_email(email: str) -> str:
    """The address as it is kept and shown: Unicode composed (NFC), the domain in lower case.

    Raises ``InvalidEmail``. Whether mail reaches it is not asked. ``.test`` (RFC 6761) is let through: it stands for
    people who exist in demonstrations only.
    """
    try:
        return validate_email(email.strip(), check_deliverability=False, test_environment=True).normalized
    except (EmailNotValidError, UnicodeError) as invalid:
        raise InvalidEmail from invalid


def email_key(email: str) -> str:
    """What makes two spellings one account: the normal form without case. Raises ``InvalidEmail``."""
    return unicodedata.normalize("NFC", normalise_email(email).casefold())


def digest_of(token: str) -> bytes:
    """What is kept of a ticket, a key or a mailed token: its SHA-256, so that no table lets in whoever reads it."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def is_key(token: str) -> bool:
    """True for what is looked up as a key, and not read as a JWT."""
    return token.startswith((API_KEY, SCREEN_KEY))


def device_of(user_agent: str) -> str:
    """What people call the device of a ``User-Agent``: "Firefox on Linux". Programs are called by their first word."""
    browser = next((name for word, name in _BROWSERS if word in user_agent), None)
    system = next((name for word, name in _SYSTEMS if word in user_agent), None)
    if browser is None:
        return user_agent.partition(" ")[0].partition("/")[0] or "Unknown device"
    return f"{browser} on {system}" if system else browser


def is_own_page(origin: str | None, fetch_site: str | None, host: str | None, allowed_origins: Collection[str]) -> bool:
    """True when a browser says that one of our own pages sent this request.

    By ``Sec-Fetch-Site`` (Fetch Metadata), which no page can forge, or by an ``Origin`` that is allowed or has the
    request's own host. ``host`` is the ``Host`` header. Neither header: not proven, hence false.
    """
    if fetch_site == "same-origin":
        return True
    if not origin or origin == "null":
        return False
    return origin in allowed_origins or (bool(host) and _netloc(origin) == host)


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None
