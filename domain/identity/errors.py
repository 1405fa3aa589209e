"""Named refusals of identity."""

from core.errors import Authentication, Authorization, Conflict, Refusal, ResourceNotFound, Validation


class InvalidCredentials(Authentication):
    """Wrong email or wrong password: the same sentence for both, so that nobody learns which addresses exist."""

    detail = "Invalid email or password"


class InvalidToken(Authentication):
    """Not a token of ours, or not one for this use."""

    detail = "This token is not valid."


class ExpiredToken(Authentication):
    """It was one of ours."""

    detail = "This token has expired."


class SessionEnded(Authentication):
    """Signed out, expired, or the account was deactivated."""

    detail = "This session has ended. Sign in to continue."


class RefreshTokenReused(Authentication):
    """A refresh token works once; one that comes again later may be stolen, and its session was ended."""

    detail = "This token was used before; for safety, the session has been ended. Sign in to continue."


class SecondFactorRequired(Authentication):
    """The password is right; the account has a second factor as well."""

    error_code = "SECOND_FACTOR_REQUIRED"
    detail = "Send the code of your authenticator app, or a recovery code, as otp."


class InvalidSecondFactor(InvalidCredentials):
    """A wrong code, or one that was used before."""

    error_code = "SECOND_FACTOR_INVALID"
    detail = "This code is not valid. Codes work once."


class WrongCode(Validation):
    """The same where somebody is signed in already."""

    error_code = "SECOND_FACTOR_INVALID"
    detail = "This code is not valid. Codes work once."


class SecondFactorSetupRequired(Authorization):
    """The role needs a second factor; this sign-in may set one up, and nothing else."""

    error_code = "SECOND_FACTOR_SETUP_REQUIRED"
    detail = "Your role needs a second factor. Set one up to continue."


class SecondFactorExists(Conflict):
    """One authenticator app an account."""

    error_code = "SECOND_FACTOR_EXISTS"
    detail = "A second factor is set up already. Remove it first."


class NoSecondFactor(Conflict):
    """There is none to confirm, renew or remove."""

    error_code = "NO_SECOND_FACTOR"
    detail = "No second factor is set up."


class SecondFactorNeeded(Conflict):
    """The role cannot do without."""

    error_code = "SECOND_FACTOR_NEEDED"
    detail = "Your role needs a second factor: it cannot be removed."


class InsufficientScope(Authorization):
    """The key is genuine, but not for this (RFC 6750, 3.1)."""

    error_code = "INSUFFICIENT_SCOPE"
    detail = "This key is not for that."


class UnknownScope(Validation):
    """No such scope."""

    error_code = "UNKNOWN_SCOPE"
    detail = "There is no such scope."


class LinkNotValid(Refusal):
    """A mailed link works once, for a while."""

    status = 400
    error_code = "LINK_NOT_VALID"
    detail = "This link is not valid any more. Ask for a new one."


class UserNotFound(ResourceNotFound):
    """No such account."""

    detail = "There is no such user."


class SessionNotFound(ResourceNotFound):
    """No such session of the caller's, or it has ended."""

    detail = "There is no such session."


class KeyNotFound(ResourceNotFound):
    """No such API key, or it was revoked."""

    detail = "There is no such API key."


class InvitationNotFound(ResourceNotFound):
    """No such invitation."""

    detail = "There is no such invitation."


class LastAdministrator(Conflict):
    """Somebody has to be able to let others in."""

    error_code = "LAST_ADMINISTRATOR"
    detail = "This is the last administrator: make another one first."


class NotForRole(Validation):
    """Doctors have a specialization, staff have a department, and nobody else has."""

    detail = "This is not part of the profile of this role."


class CrossSiteRequest(Authorization):
    """A cookie came with a change that no page of ours asked for."""

    error_code = "CSRF"
    detail = "This request does not come from a page of this site."


class TokenInUrl(Refusal):
    """URLs end up in logs, histories and Referer headers."""

    status = 400
    error_code = "TOKEN_IN_URL"
    detail = "Tokens do not belong in URLs; send the Authorization header."


class EmailAlreadyRegistered(Conflict):
    """One account an address, whatever its case or Unicode form."""

    error_code = "EMAIL_ALREADY_REGISTERED"
    field = "email"
    detail = "This email address is already registered."


class UserAlreadyExists(EmailAlreadyRegistered):
    """The same in the words of ``POST /users/register``, which answers it as a validation error."""

    status = 422


class InvalidEmail(Validation):
    """Not an address that mail could reach."""

    field = "email"
    detail = "This is not a valid email address."


class UnfitPassword(Validation):
    """Too short, or longer than bcrypt reads; the sentence says which."""

    field = "password"
    detail = "This password cannot be used."
