"""Passwords: what may be one, and that nobody learns from the clock which addresses exist."""

import asyncio
import threading

import pytest
from pwdlib.hashers.bcrypt import BcryptHasher

from domain.identity.errors import UnfitPassword
from domain.identity.passwords import check_password, hash_password, matches


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("short", "at least 8 characters"),
        ("x" * 73, "72 bytes"),
        ("ä" * 37, "72 bytes"),
        ("nul\x00inside", "control characters"),
        ("lone\ud800surrogate", "control characters"),
    ],
)
def test_an_unfit_password_is_refused_with_the_reason(password: str, said: str) -> None:
    with pytest.raises(UnfitPassword, match=said) as refused:
        check_password(password, min_length=8)
    assert (refused.value.status, refused.value.error_code) == (422, "VALIDATION")


@pytest.mark.parametrize("password", ["eight888", "x" * 72, "ä" * 36, " spaces count "])
def test_a_fit_password_passes(password: str) -> None:
    check_password(password, min_length=8)


async def test_a_password_matches_its_own_hash_only() -> None:
    hashed = await hash_password("pass wörd")
    assert hashed.startswith("$2b$12$")
    assert await matches("pass wo\u0308rd", hashed), "the same keys on another keyboard"
    assert not await matches("pass word", hashed)
    assert not await matches("", hashed)


async def test_what_bcrypt_would_cut_off_counts() -> None:
    hashed = await hash_password("x" * 72)
    assert await matches("x" * 72, hashed)
    assert not await matches("x" * 73, hashed)


@pytest.mark.parametrize("password", ["anything", "x" * 500, "\x00", "\ud800", ""])
async def test_no_account_costs_one_verification_of_the_same_cost(
    password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[str | bytes] = []
    verify = BcryptHasher.verify

    def noted(hasher: BcryptHasher, secret: str | bytes, password_hash: str | bytes) -> bool:
        verified.append(password_hash)
        return verify(hasher, secret, password_hash)

    monkeypatch.setattr(BcryptHasher, "verify", noted)
    assert not await matches(password, None)
    assert len(verified) == 1
    assert not BcryptHasher(rounds=12).check_needs_rehash(verified[0])


async def test_the_loop_runs_on_while_a_password_is_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    hash_ = BcryptHasher.hash

    def noted(hasher: BcryptHasher, secret: str | bytes, *, salt: bytes | None = None) -> str:
        threads.append(threading.get_ident())
        return hash_(hasher, secret, salt=salt)

    monkeypatch.setattr(BcryptHasher, "hash", noted)
    hashing = asyncio.create_task(hash_password("correct horse"))
    turns = 0
    while not hashing.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert threads
    assert threading.get_ident() not in threads
    assert turns > 1
