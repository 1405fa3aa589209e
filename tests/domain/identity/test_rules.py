"""Tokens, addresses and origins, without any server."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.actor import Role
from core.errors import Authentication
from domain.identity.errors import ExpiredToken, InvalidEmail, InvalidToken
from domain.identity.rules import (
    digest_of,
    email_key,
    is_own_page,
    normalise_email,
    read_access_token,
    read_refresh_token,
    session_of_access_token,
    write_access_token,
    write_refresh_token,
)

SECRET = "a-secret-of-the-tests-that-is-long-enough"
AT = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
USER, SESSION = uuid4(), uuid4()
ALLOWED = frozenset({"https://carebell.example"})


def access_token(secret: str = SECRET) -> str:
    return write_access_token(USER, "ada@example.com", Role.STAFF, SESSION, secret, AT, QUARTER)


def forged(**changes: Any) -> str:
    """A token with our signature whose claims were changed; ``None`` takes a claim out."""
    claims = jwt.decode(access_token(), options={"verify_signature": False}) | changes
    return jwt.encode({name: claim for name, claim in claims.items() if claim is not None}, SECRET, "HS256")


def unsigned(header: object, payload: object) -> str:
    def encode(part: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()

    return f"{encode(header)}.{encode(payload)}."


def test_an_access_token_says_who_and_which_session() -> None:
    claims = read_access_token(access_token(), SECRET, AT)
    assert (claims.user_id, claims.session_id, claims.role) == (USER, SESSION, Role.STAFF)
    assert (claims.email, claims.issued_at, claims.expires_at) == ("ada@example.com", AT, AT + QUARTER)


def test_the_claims_of_the_contract_are_in_the_token() -> None:
    payload = jwt.decode(access_token(), options={"verify_signature": False})
    assert {"sub", "email", "role", "exp", "iat", "jti", "sid"} <= payload.keys()


def test_two_tokens_of_one_moment_differ() -> None:
    assert access_token() != access_token()


def test_an_access_token_ends_at_its_second_and_not_before() -> None:
    token = access_token()
    assert read_access_token(token, SECRET, AT + QUARTER - timedelta(seconds=1)).user_id == USER
    with pytest.raises(ExpiredToken):
        read_access_token(token, SECRET, AT + QUARTER)


def test_an_expired_token_still_names_its_session() -> None:
    assert session_of_access_token(access_token(), SECRET) == SESSION
    with pytest.raises(InvalidToken):
        session_of_access_token(access_token("another-secret-that-is-long-enough-too"), SECRET)


def test_a_refresh_token_and_an_access_token_cannot_stand_in_for_each_other() -> None:
    refresh = write_refresh_token(USER, SESSION, uuid4(), SECRET, AT, QUARTER)
    assert read_refresh_token(refresh, SECRET, AT).session_id == SESSION
    with pytest.raises(InvalidToken):
        read_access_token(refresh, SECRET, AT)
    with pytest.raises(InvalidToken):
        read_refresh_token(access_token(), SECRET, AT)
    with pytest.raises(ExpiredToken):
        read_refresh_token(refresh, SECRET, AT + QUARTER)


PAYLOAD = jwt.decode(access_token(), options={"verify_signature": False})


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "é.é.é",
        "\x00",
        "A" * 100_000,
        unsigned({"alg": "none", "typ": "JWT"}, PAYLOAD),
        unsigned({"alg": "HS256", "typ": "JWT"}, PAYLOAD),
        unsigned({"alg": ["HS256"]}, PAYLOAD),
        unsigned([], PAYLOAD),
        ".".join([base64.urlsafe_b64encode(b"[" * 1_500).decode(), "e30", "e30"]),
        access_token("another-secret-that-is-long-enough-too"),
        access_token()[:-4] + "AAAA",
        jwt.encode(PAYLOAD, SECRET * 2, "HS512"),
        forged(aud="somewhere-else"),
        forged(iss="someone-else"),
        forged(sid=None),
        forged(exp=None),
        forged(email=None),
        forged(role="emperor"),
        forged(role=["admin"]),
        forged(sub="not-a-uuid"),
        forged(sid="\x00"),
        forged(exp=10**30),
    ],
)
def test_what_is_no_token_of_ours_is_refused_as_authentication(token: str) -> None:
    with pytest.raises(InvalidToken) as refused:
        read_access_token(token, SECRET, AT)
    assert isinstance(refused.value, Authentication)
    assert refused.value.status == 401


@given(st.text(max_size=300))
def test_any_text_as_a_token_is_refused_and_nothing_else_happens(text: str) -> None:
    for read in (read_access_token, read_refresh_token):
        with pytest.raises(InvalidToken):
            read(text, SECRET, AT)


def test_an_address_is_one_whatever_its_case_and_unicode_form() -> None:
    composed, decomposed = "Ren\u00e9@Example.COM", "rene\u0301@example.com"
    assert email_key(composed) == email_key(decomposed) == "ren\u00e9@example.com"
    assert email_key(" ADA@EXAMPLE.COM ") == email_key("ada@example.com")
    assert email_key("ada@example.com") != email_key("ada.b@example.com")


def test_an_address_keeps_its_case_where_it_is_shown() -> None:
    assert normalise_email("Ada.Lovelace@EXAMPLE.com") == "Ada.Lovelace@example.com"


@pytest.mark.parametrize(
    "email",
    ["", "ada", "ada@", "@example.com", "ada@localhost", "a\x00@example.com", "a b@example.com", "\ud800@a.com"],
)
def test_what_is_no_address_is_refused(email: str) -> None:
    with pytest.raises(InvalidEmail) as refused:
        email_key(email)
    assert (refused.value.status, refused.value.error_code) == (422, "VALIDATION")


@given(st.text(max_size=80))
def test_the_key_of_a_key_is_itself_or_the_text_is_refused(text: str) -> None:
    for email in (text, f"{text}@example.com"):
        try:
            key = email_key(email)
        except InvalidEmail:
            continue
        assert email_key(key) == key


@pytest.mark.parametrize(
    ("origin", "fetch_site", "host", "expected"),
    [
        ("https://carebell.example", None, "10.0.0.1", True),
        ("http://10.0.0.1:8000", None, "10.0.0.1:8000", True),
        (None, "same-origin", "carebell.example", True),
        ("https://evil.example", None, "carebell.example", False),
        ("https://evil.example", "cross-site", "carebell.example", False),
        ("https://carebell.example.evil.example", None, "carebell.example", False),
        ("https://other.carebell.example", "same-site", "carebell.example", False),
        ("null", None, "carebell.example", False),
        ("null", None, "null", False),
        ("http://[::1", None, "[::1", False),
        ("", None, "", False),
        (None, None, "carebell.example", False),
        (None, "none", "carebell.example", False),
    ],
)
def test_only_our_own_pages_may_use_a_cookie_for_a_change(
    origin: str | None, fetch_site: str | None, host: str, expected: bool
) -> None:
    assert is_own_page(origin, fetch_site, host, ALLOWED) is expected


def test_a_ticket_is_kept_as_its_sha_256() -> None:
    assert digest_of("abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert len(digest_of("\ud800")) == 32
