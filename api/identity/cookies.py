"""The two cookies of a browser's session, written attribute by attribute as the contract words them."""

from typing import Final

from fastapi import Response

from api.identity.credentials import ACCESS_COOKIE, REFRESH_COOKIE
from core.settings import Settings

ACCESS_PATH: Final = "/"
# The long-lived token travels to the one address that takes it, and to no other.
REFRESH_PATH: Final = "/api/v1/auth/refresh"
# Below that path, so that the cookie comes along (RFC 6265, 5.1.4).
LATE_LOGOUT_PATH: Final = "/api/v1/auth/refresh/logout"


def set_session_cookies(response: Response, settings: Settings, access_token: str, refresh_token: str) -> None:
    """Both tokens, out of reach of scripts."""
    access_seconds = settings.access_token_minutes * 60
    refresh_seconds = settings.refresh_token_days * 24 * 60 * 60
    _set(response, settings, ACCESS_COOKIE, access_token, ACCESS_PATH, access_seconds)
    _set(response, settings, REFRESH_COOKIE, refresh_token, REFRESH_PATH, refresh_seconds)


def clear_session_cookies(response: Response, settings: Settings) -> None:
    """Have the browser forget both."""
    _set(response, settings, ACCESS_COOKIE, "", ACCESS_PATH, 0)
    _set(response, settings, REFRESH_COOKIE, "", REFRESH_PATH, 0)


def _set(response: Response, settings: Settings, name: str, value: str, path: str, max_age: int) -> None:
    secure = "Secure; " if settings.secure_cookies else ""
    response.headers.append(
        "Set-Cookie", f"{name}={value}; HttpOnly; {secure}SameSite=Strict; Path={path}; Max-Age={max_age}"
    )
