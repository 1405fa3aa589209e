"""Second factors, decided without I/O: time-based codes (TOTP, RFC 6238) and recovery codes."""

import base64
import hashlib
import hmac
import secrets
from datetime import datetime
from typing import Final

import pyotp

_ISSUER: Final = "Carebell"
_PERIOD_SECONDS: Final = 30
_DIGITS: Final = 6
# RFC 6238, 5.2: one step back and forth for clocks that differ and people who type slowly.
_STEPS: Final = (-1, 0, 1)
_RECOVERY_CODES: Final = 10
_RECOVERY_BYTES: Final = 10


def shared_secret(seed: bytes, secret_key: str) -> str:
    """What the app is told, in base32: 160 bits, derived from the row's seed and the product's secret key."""
    derived = hmac.digest(secret_key.encode(), b"carebell:totp:" + seed, hashlib.sha256)
    return base64.b32encode(derived[:20]).decode()


def provisioning_uri(secret: str, email: str) -> str:
    """The ``otpauth://`` address that apps read from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=_ISSUER)


def matching_step(secret: str, code: str, at: datetime, last_step: int) -> int | None:
    """The time step whose code that is: of those around ``at``, later than the last one accepted; else ``None``."""
    current = int(at.timestamp()) // _PERIOD_SECONDS
    typed = _plain(code)
    generator = pyotp.TOTP(secret, digits=_DIGITS, interval=_PERIOD_SECONDS)
    for step in (current + offset for offset in _STEPS):
        if step > last_step and hmac.compare_digest(generator.generate_otp(step).encode(), typed.encode()):
            return step
    return None


def new_recovery_codes() -> list[str]:
    """Ten codes of 80 bits, in groups of four letters and digits."""
    words = (base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode() for _ in range(_RECOVERY_CODES))
    return ["-".join(word[start : start + 4] for start in range(0, len(word), 4)) for word in words]


def recovery_digest(code: str) -> bytes:
    """What is kept of a recovery code: its SHA-256, however it was typed."""
    return hashlib.sha256(_plain(code).encode("utf-8", "surrogatepass")).digest()


def _plain(code: str) -> str:
    return "".join(character for character in code if character.isalnum()).upper().encode("ascii", "replace").decode()
