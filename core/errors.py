"""Named refusals. Each door maps them in one file: api/error_handlers.py for HTTP, hub/commands.py for sockets."""

from typing import ClassVar


class Refusal(Exception):
    """The product says no, for a reason that the caller may read.

    ``status`` is the HTTP status, ``error_code`` the stable machine word, ``detail`` the sentence for people, and
    ``field`` the part of the input that it is about, where it is about one. The doors write one that ``is_noted`` into
    the audit.
    """

    status: ClassVar[int] = 400
    error_code: ClassVar[str] = "BAD_REQUEST"
    field: ClassVar[str | None] = None
    is_noted: ClassVar[bool] = False
    detail: str = "The request cannot be carried out."

    def __init__(self, detail: str | None = None, *, retry_after: int | None = None) -> None:
        """``retry_after`` in seconds, where waiting helps."""
        super().__init__(detail or self.detail)
        self.detail = detail or self.detail
        self.retry_after = retry_after


class Validation(Refusal):
    """Input of the right shape whose values cannot be (422)."""

    status = 422
    error_code = "VALIDATION"


class IdempotencyKeyReused(Validation):
    """The key already belongs to another request, or another message, of the same user."""

    error_code = "IDEMPOTENCY_KEY_REUSED"
    detail = "This key was already used for something else. Use a new one."


class Authentication(Refusal):
    """Nobody is signed in, or what was shown is not valid (401)."""

    status = 401
    error_code = "AUTHENTICATION"
    detail = "Sign in to continue."


class Authorization(Refusal):
    """Signed in, but not allowed (403)."""

    status = 403
    error_code = "AUTHORIZATION"
    is_noted = True
    detail = "You are not allowed to do this."


class ResourceNotFound(Refusal):
    """There is no such thing, or not for this caller (404)."""

    status = 404
    error_code = "RESOURCE_NOT_FOUND"
    detail = "There is no such resource."


class Withheld(ResourceNotFound):
    """What belongs to somebody is not there for others (404): whether it is there at all is not told."""

    is_noted = True


class Conflict(Refusal):
    """The state of the resource does not allow it (409)."""

    status = 409
    error_code = "CONFLICT"


class TooManyRequests(Refusal):
    """Too often in too short a time (429); ``retry_after`` says when to come back."""

    status = 429
    error_code = "RATE_LIMITED"
    detail = "Too many requests. Please try again later."


class TooManyConnections(TooManyRequests):
    """The address, or the user, has too many open sockets and event streams."""

    error_code = "TOO_MANY_CONNECTIONS"
    detail = "There are too many open connections. Close others, and try again later."


class Unavailable(Refusal):
    """A part that this needs is not reachable now; nothing was changed (503)."""

    status = 503
    error_code = "UNAVAILABLE"
    detail = "A part of the service is not reachable at the moment. Nothing was changed; please try again."
