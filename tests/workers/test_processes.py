"""Real worker and beat processes on a real Redis: killed in the middle, and with their tasks lost."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from core.redis import connect
from core.runtime import Runtime
from core.settings import Settings
from core.tasks import SEND_SMS
from models import Delivery
from ops.embedded.place import throwaway_folder
from ops.embedded.redis import EmbeddedRedis
from tests.conftest import running
from tests.domain.notifications.builders import plan_sms, reload
from tests.support.redis_servers import redis_sentinels
from tests.support.twilio_server import Fault, TwilioServer
from tests.support.web import eventually
from tests.workers.processes import celery, worker
from workers.client import CeleryTasks

SWEEP = "workers.tasks.sweep_deliveries"


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A Redis that this test may empty, stop and start."""
    with EmbeddedRedis(tmp_path / "redis") as redis:
        yield redis


@pytest.fixture
def worker_settings(twilio_settings: Settings, own_redis: EmbeddedRedis) -> Settings:
    """Of processes that share that Redis, the tests' Postgres, and the local Twilio."""
    return twilio_settings.model_copy(update={"redis_url": SecretStr(own_redis.url), "log_format": "json"})


@pytest.fixture
async def sender(worker_settings: Settings) -> AsyncIterator[Runtime]:
    """A process that hands its tasks to the workers."""
    async with running(worker_settings) as made:
        yield made


@pytest.fixture
def tasks(worker_settings: Settings) -> Iterator[CeleryTasks]:
    """What a web process sends tasks with."""
    made = CeleryTasks(worker_settings)
    made.start()
    yield made
    made.close()


@pytest.mark.parametrize("fault", [Fault.HANG_TAKEN, Fault.HANG])
async def test_the_work_of_a_killed_worker_is_finished_by_another_and_sent_once(
    sender: Runtime, worker_settings: Settings, tasks: CeleryTasks, twilio: TwilioServer, tmp_path: Path, fault: Fault
) -> None:
    twilio.faults.append(fault)
    delivery = await plan_sms(sender)
    async with worker(worker_settings, tmp_path) as first:
        tasks.send(SEND_SMS, str(delivery.id))
        await eventually(twilio.received.is_set)
        first.kill()
        await first.process.wait()
    assert (await reload(sender, delivery.id)).status == "sending"

    async def is_sent() -> bool:
        tasks.send(SWEEP)
        return (await reload(sender, delivery.id)).status == "sent"

    async with worker(worker_settings, tmp_path):
        await eventually(is_sent)
    [message] = [message for message in twilio.messages if message["to"] == delivery.address]
    done = await reload(sender, delivery.id)
    assert (done.attempts, done.provider_id) == (2, message["sid"])


async def test_tasks_that_redis_lost_are_found_by_the_sweep_of_beat(
    sender: Runtime, worker_settings: Settings, tasks: CeleryTasks, twilio: TwilioServer, tmp_path: Path
) -> None:
    lost = [await plan_sms(sender) for _ in range(3)]
    client = connect(worker_settings.redis_url.get_secret_value())
    for delivery in lost:
        tasks.send(SEND_SMS, str(delivery.id))

    async def are_queued() -> bool:
        return await client.llen("sms") == 3

    await eventually(are_queued)
    await client.flushall()
    await client.aclose()

    async def are_sent() -> bool:
        return {(await reload(sender, delivery.id)).status for delivery in lost} == {"sent"}

    schedule = str(tmp_path / "schedule")
    async with (
        worker(worker_settings, tmp_path) as made,
        celery(worker_settings, tmp_path, "beat", "--schedule", schedule, "--pidfile", ""),
    ):
        await eventually(are_sent)
        assert await made.stop() == 0
    assert [twilio.bodies(delivery.address) for delivery in lost] == [[delivery.body] for delivery in lost]


async def test_a_redis_that_is_away_blocks_nobody_and_is_used_again_when_it_is_back(
    sender: Runtime, worker_settings: Settings, own_redis: EmbeddedRedis, tasks: CeleryTasks, tmp_path: Path
) -> None:
    before, during, after = [await plan_sms(sender) for _ in range(3)]

    async def is_sent(delivery: Delivery) -> bool:
        return (await reload(sender, delivery.id)).status == "sent"

    async with worker(worker_settings, tmp_path):
        tasks.send(SEND_SMS, str(before.id))
        await eventually(lambda: is_sent(before))
        own_redis.stop()
        tasks.send(SEND_SMS, str(during.id))
        await eventually(lambda: not tasks.is_healthy)
        own_redis.start()
        tasks.send(SEND_SMS, str(after.id))
        await eventually(lambda: is_sent(after))
        tasks.send(SWEEP)
        await eventually(lambda: is_sent(during))


async def test_tasks_go_on_with_the_replica_of_a_master_that_was_killed(
    twilio_settings: Settings, tmp_path: Path
) -> None:
    with throwaway_folder() as folder:
        async with redis_sentinels(folder) as redis:
            own = twilio_settings.model_copy(update={"task_broker_url": SecretStr(redis.url), "log_format": "json"})
            tasks = CeleryTasks(own)
            tasks.start()
            async with running(own) as runtime, worker(own, tmp_path):
                before, after = [await plan_sms(runtime) for _ in range(2)]

                async def is_sent(delivery: Delivery) -> bool:
                    return (await reload(runtime, delivery.id)).status == "sent"

                tasks.send(SEND_SMS, str(before.id))
                await eventually(lambda: is_sent(before))
                redis.master.kill()

                async def is_sent_in_the_end() -> bool:
                    tasks.send(SWEEP)
                    return await is_sent(after)

                await eventually(is_sent_in_the_end)
            tasks.close()
