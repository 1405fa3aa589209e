"""A Twilio to talk to, and the provider that does."""

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from core.settings import Settings
from tests.support.twilio_server import ACCOUNT, SENDER, TOKEN, TwilioServer, twilio_server
from workers.providers.twilio import TwilioProvider


@pytest.fixture
def twilio() -> Iterator[TwilioServer]:
    """A server with no messages."""
    with twilio_server() as server:
        yield server


@pytest.fixture
def twilio_settings(settings: Settings, twilio: TwilioServer) -> Settings:
    """As for the real one, except for the address and short times."""
    changes = {
        "sms_provider": "twilio",
        "twilio_account_sid": ACCOUNT,
        "twilio_auth_token": SecretStr(TOKEN),
        "twilio_from": SENDER,
        "twilio_base_url": twilio.url,
        "twilio_timeout_seconds": 0.5,
        "sms_lease_seconds": 2.0,
    }
    return settings.model_copy(update=changes)


@pytest.fixture
def provider(twilio_settings: Settings) -> TwilioProvider:
    """Twilio's real SDK."""
    return TwilioProvider(twilio_settings)
