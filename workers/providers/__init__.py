"""Who carries text messages out, chosen by the settings."""

from core.database import Database
from core.settings import Settings
from workers.providers.base import SmsProvider
from workers.providers.local import LocalProvider
from workers.providers.twilio import TwilioProvider


def create_provider(settings: Settings, database: Database) -> SmsProvider:
    """``SMS_PROVIDER``; ``auto`` is Twilio where its credentials are set, else ``local``."""
    if settings.sms_provider == "twilio" or (settings.sms_provider == "auto" and settings.has_twilio):
        return TwilioProvider(settings)
    return LocalProvider(database)
