"""Twilio's real SDK against a server that speaks its API: every answer, and none."""

from datetime import timedelta

import pytest

from core.clock import now
from core.ids import new_id
from core.settings import Settings
from domain.notifications.rules import DeliveryStatus
from tests.domain.notifications.builders import new_phone
from tests.support.twilio_server import SENDER, Fault, TwilioServer
from tests.support.web import free_port
from workers.providers.base import Misconfigured, NoAnswer, ProviderFault, Refused, TryLater
from workers.providers.twilio import TwilioProvider


async def test_a_message_is_taken_and_found(provider: TwilioProvider, twilio: TwilioServer) -> None:
    to = new_phone()
    sent = await provider.send(to, "A-042: please come to Counter 3. ü", new_id())
    [message] = twilio.messages
    assert (message["to"], message["from"], message["body"]) == (to, SENDER, "A-042: please come to Counter 3. ü")
    assert (sent.provider_id, sent.status) == (message["sid"], DeliveryStatus.SENT)
    assert await provider.find(to, message["body"], now()) == [sent]


async def test_only_what_was_meant_is_found(provider: TwilioProvider, twilio: TwilioServer) -> None:
    to = new_phone()
    meant = await provider.send(to, "A-1", new_id())
    await provider.send(to, "AA-1", new_id())
    await provider.send(new_phone(), "A-1", new_id())
    assert await provider.find(to, "A-1", now()) == [meant]
    assert await provider.find(to, "A-1", now() + timedelta(minutes=5)) == []
    twilio.messages[0]["body"] = "Sent from your Twilio trial account - A-1"
    assert await provider.find(to, "A-1", now()) == [meant]


@pytest.mark.parametrize(
    ("words", "status"),
    [("sent", "sent"), ("delivered", "delivered"), ("undelivered", "undeliverable"), ("canceled", "cancelled"),
     ("a_word_of_tomorrow", "sent")],
)  # fmt: skip
async def test_its_words_are_ours(provider: TwilioProvider, twilio: TwilioServer, words: str, status: str) -> None:
    to = new_phone()
    await provider.send(to, "A-1", new_id())
    twilio.messages[0] |= {"status": words, "error_code": 30003 if words == "undelivered" else None}
    [found] = await provider.find(to, "A-1", now())
    assert found.status == status
    assert found.error_code == ("30003" if words == "undelivered" else None)


@pytest.mark.parametrize(
    ("fault", "expected", "code"),
    [
        (Fault.INVALID_NUMBER, Refused, "21211"),
        (Fault.RATE_LIMIT, TryLater, "20429"),
        (Fault.UNAVAILABLE, TryLater, "20503"),
        (Fault.INTERNAL, NoAnswer, "20500"),
        (Fault.HANG, NoAnswer, "NO_ANSWER"),
        (Fault.CUT_TAKEN, NoAnswer, "NO_ANSWER"),
        (Fault.GARBAGE_TAKEN, NoAnswer, "NO_ANSWER"),
    ],
)
async def test_every_fault_has_a_name(
    provider: TwilioProvider, twilio: TwilioServer, fault: Fault, expected: type[ProviderFault], code: str
) -> None:
    twilio.faults.append(fault)
    with pytest.raises(expected) as caught:
        await provider.send(new_phone(), "A-1", new_id())
    assert caught.value.error_code == code
    assert twilio.sends == 1, "nothing is repeated behind our back"


async def test_wrong_credentials_are_a_matter_of_configuration(twilio_settings: Settings, twilio: TwilioServer) -> None:
    stranger = TwilioProvider(twilio_settings.model_copy(update={"twilio_account_sid": "AC" + "1" * 32}))
    with pytest.raises(Misconfigured) as caught:
        await stranger.send(new_phone(), "A-1", new_id())
    assert caught.value.error_code == "20003"
    assert twilio.messages == []


async def test_a_server_that_is_not_there_took_nothing(twilio_settings: Settings) -> None:
    away = twilio_settings.model_copy(update={"twilio_base_url": f"http://127.0.0.1:{free_port()}"})
    with pytest.raises(TryLater) as caught:
        await TwilioProvider(away).send(new_phone(), "A-1", new_id())
    assert caught.value.error_code == "UNREACHABLE"
