"""What ``celery.conf.py`` promises, and which provider the settings choose."""

import pytest
from pydantic import SecretStr, ValidationError

from core.runtime import Runtime
from core.settings import Settings
from core.tasks import SEND_SMS
from tests.support.twilio_server import ACCOUNT, SENDER, TOKEN
from workers.app import app, create_celery
from workers.client import CeleryTasks
from workers.providers import create_provider
from workers.providers.mail import create_mailer


def test_a_task_survives_its_worker_and_travels_as_json(settings: Settings) -> None:
    conf = create_celery(settings).conf
    assert conf.broker_url == settings.redis_url.get_secret_value()
    assert (conf.task_acks_late, conf.task_reject_on_worker_lost, conf.worker_prefetch_multiplier) == (True, True, 1)
    assert conf.accept_content == ["json"]
    assert conf.task_serializer == "json"
    assert not conf.result_backend
    assert conf.task_soft_time_limit < conf.task_time_limit < conf.broker_transport_options["visibility_timeout"]
    assert conf.broker_connection_retry_on_startup


def test_every_task_has_a_queue_that_workers_take(settings: Settings) -> None:
    conf = create_celery(settings).conf
    app.loader.import_default_modules()
    ours = {name for name in app.tasks if name.startswith("workers.")}
    assert SEND_SMS in ours
    assert ours == conf.task_routes.keys()
    assert {route["queue"] for route in conf.task_routes.values()} == conf.task_queues.keys()
    assert {entry["task"] for entry in conf.beat_schedule.values()} <= ours


def test_a_lease_outlives_the_slowest_send(settings: Settings) -> None:
    soft_limit = create_celery(settings).conf.task_soft_time_limit
    assert 4 * settings.twilio_timeout_seconds <= settings.sms_lease_seconds < soft_limit
    with pytest.raises(ValidationError, match="SMS_LEASE_SECONDS"):
        Settings(_env_file=None, twilio_timeout_seconds=10, sms_lease_seconds=30)


@pytest.mark.parametrize(
    ("wanted", "token", "name"),
    [("auto", "", "local"), ("auto", TOKEN, "twilio"), ("twilio", TOKEN, "twilio"), ("local", TOKEN, "local")],
)
async def test_the_settings_choose_the_provider(runtime: Runtime, wanted: str, token: str, name: str) -> None:
    settings = runtime.settings.model_copy(
        update={
            "sms_provider": wanted,
            "twilio_account_sid": ACCOUNT,
            "twilio_from": SENDER,
            "twilio_auth_token": SecretStr(token),
        }
    )
    assert create_provider(settings, runtime.database).name == name


def test_a_full_queue_drops_and_does_not_raise(settings: Settings) -> None:
    tasks = CeleryTasks(settings)
    for number in range(10_001):
        tasks.send(SEND_SMS, str(number))
    assert not tasks.is_healthy
    tasks.close()


@pytest.mark.parametrize(
    ("wanted", "host", "name"),
    [
        ("auto", "", "local"),
        ("auto", "mail.example", "smtp"),
        ("smtp", "mail.example", "smtp"),
        ("local", "x", "local"),
    ],
)
async def test_the_settings_choose_the_mailer(runtime: Runtime, wanted: str, host: str, name: str) -> None:
    settings = runtime.settings.model_copy(update={"mail_provider": wanted, "smtp_host": host})
    assert create_mailer(settings, runtime.database).name == name
