"""Settings: documented, bounded, and unsafe ones refused."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from core.settings import DEVELOPMENT_SECRET, Settings

EXAMPLE = Path(__file__).resolve().parent.parent / ".env.example"


def _example() -> dict[str, str]:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    pairs = [line.split("=", 1) for line in lines if line and not line.startswith("#")]
    return {pair[0]: pair[1] for pair in pairs}


def test_every_setting_is_in_the_example_and_nothing_else() -> None:
    assert set(_example()) == {name.upper() for name in Settings.model_fields}


def test_every_setting_of_the_example_is_explained() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    unexplained = re.findall(r"^(?:\n|#? *--- .*\n)([A-Z_]+)=", text, flags=re.MULTILINE)
    assert unexplained == []


def test_the_example_holds_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    defaults = Settings(_env_file=None)
    assert Settings(_env_file=EXAMPLE) == defaults


@pytest.mark.parametrize("secret", [DEVELOPMENT_SECRET, "short"])
def test_production_refuses_a_default_or_short_secret(secret: str) -> None:
    with pytest.raises(ValidationError, match="SECRET_KEY"):
        Settings(_env_file=None, environment="production", secret_key=secret)


KEPT = {"mail_provider": "local", "sms_provider": "local"}


def _production(**given: Any) -> Settings:
    return Settings(_env_file=None, environment="production", secret_key="x" * 32, **given)


def test_production_starts_with_a_secret_of_its_own() -> None:
    assert not _production(**KEPT).is_development


@pytest.mark.parametrize("name", KEPT)
def test_production_keeps_messages_to_itself_only_where_it_was_told_to(
    name: str,
) -> None:
    with pytest.raises(ValidationError, match=f"{name.upper()}=local"):
        _production(**{**KEPT, name: "auto"})
    sent = {"smtp_host": "mail.clinic.example", "smtp_from": "desk@clinic.example"}
    twilio = {"twilio_account_sid": "AC1", "twilio_auth_token": "token", "twilio_from": "+14155550100"}
    assert _production(**sent, **twilio).mail_provider == "auto"


def test_sessions_are_kept_as_long_as_their_tokens_are_valid() -> None:
    with pytest.raises(ValidationError, match="SESSION_RETENTION_DAYS"):
        Settings(_env_file=None, refresh_token_days=30, session_retention_days=29)


def test_a_mail_provider_without_a_server_is_refused() -> None:
    with pytest.raises(ValidationError, match="SMTP_HOST"):
        Settings(_env_file=None, mail_provider="smtp")


def test_secrets_are_not_in_the_repr() -> None:
    settings = Settings(_env_file=None, secret_key="very-secret-word-very-secret-word")
    assert "very-secret" not in repr(settings)


@pytest.mark.parametrize(
    ("url", "is_secure"),
    [
        ("http://localhost:8000", False),
        ("http://127.0.0.1", False),
        ("http://clinic.example", True),
        ("https://localhost", True),
    ],
)
def test_cookies_are_secure_except_on_plain_http_of_this_machine(url: str, is_secure: bool) -> None:
    assert Settings(_env_file=None, public_url=url).secure_cookies is is_secure


def test_twilio_without_credentials_is_refused() -> None:
    with pytest.raises(ValidationError, match="TWILIO_ACCOUNT_SID"):
        Settings(_env_file=None, sms_provider="twilio")


def test_a_wrong_setting_is_not_told_with_the_secrets_beside_it() -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(_env_file=None, environment="production", secret_key="my-secret", port=-1)
    assert "my-secret" not in str(refused.value)
    with pytest.raises(ValidationError) as refused:
        Settings(_env_file=None, secret_key="my-secret", sms_provider="twilio")
    assert "my-secret" not in str(refused.value)
