"""How often a sign-in with one email may fail, whether there is such an account or not."""

import hashlib
import hmac
import math

from core.errors import TooManyRequests, Validation
from core.rate_limits import RateLimit
from core.runtime import Runtime
from core.settings import Settings
from domain.identity.rules import email_key

_MINUTE = 60


class LoginLimit:
    """The failures of one email. ``begin`` before looking at a password, ``succeeded`` when it was right.

    An attempt is counted as a failure before its outcome is known: twenty at once are not twenty guesses.
    """

    def __init__(self, runtime: Runtime, email: str) -> None:
        """``email`` as it was typed: spellings of one address share their failures; what is none counts as well."""
        settings = runtime.settings
        self._limits = runtime.rate_limits
        self._limit = RateLimit("login", settings.login_failures, settings.login_failure_minutes * _MINUTE)
        self._key = email_digest(email, settings)

    async def begin(self) -> None:
        """Raises ``TooManyRequests``, with the sentence of document 003, after too many failures."""
        retry_after = await self._limits.hit(self._limit, self._key)
        if retry_after is not None:
            minutes = math.ceil(retry_after / _MINUTE)
            detail = f"Too many failed attempts. Please try again in {minutes} minute(s)."
            raise TooManyRequests(detail, retry_after=retry_after)

    async def succeeded(self) -> None:
        """Nothing has failed."""
        await self._limits.forget(self._limit, self._key)


def email_digest(email: str, settings: Settings) -> str:
    """Stands for an address where the address itself must not be kept; without the secret key nobody can guess it."""
    try:
        spelling = email_key(email)
    except Validation:
        spelling = email
    secret = settings.secret_key.get_secret_value().encode()
    return hmac.new(secret, spelling.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:32]
