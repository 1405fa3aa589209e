"""Settings that tests of what people are told have in common."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from core.settings import get_settings


@pytest.fixture
def delay(monkeypatch: pytest.MonkeyPatch) -> Iterator[timedelta]:
    """How long an SMS about a message waits for the message to be read."""
    monkeypatch.setenv("CHAT_SMS_DELAY_SECONDS", "60")
    monkeypatch.setenv("PUBLIC_URL", "https://bell.example.org")
    get_settings.cache_clear()
    yield timedelta(seconds=60)
    get_settings.cache_clear()
