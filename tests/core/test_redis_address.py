"""One setting says where Redis is: what is understood, what is derived from it, and what is refused in words."""

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.sentinel import SentinelManagedSSLConnection

from core.redis import connect
from core.redis_address import RedisAddress
from core.settings import Settings
from workers.app import create_celery

SENTINELS = "redis+sentinel://me:p%40ss@s1:26379,s2,[::1]:26380/clinic/3?sentinel_password=other"


def settings(**changes: Any) -> Settings:
    """Nothing from the environment."""
    return Settings(_env_file=None, **changes)


def test_sentinels_their_master_and_both_credentials() -> None:
    address = RedisAddress.parse(SENTINELS)
    assert (address.mode, address.master) == ("sentinel", "clinic")
    assert address.nodes == (("s1", 26379), ("s2", 26379), ("::1", 26380))
    assert address.options == {"username": "me", "password": "p@ss", "db": 3}
    assert address.sentinel_options == {"password": "other"}


def test_a_cluster_by_some_of_its_nodes_with_tls() -> None:
    address = RedisAddress.parse("rediss+cluster://:secret@n1:7000,n2:7001?ssl_cert_reqs=none")
    assert (address.mode, address.is_tls) == ("cluster", True)
    assert address.nodes == (("n1", 7000), ("n2", 7001))
    client = connect(address.url)
    assert isinstance(client, RedisCluster)
    assert client.connection_kwargs["ssl_cert_reqs"] == "none"


def test_tls_to_the_master_of_sentinels() -> None:
    client = connect("rediss+sentinel://s1:26379/clinic?ssl_ca_certs=/ca.pem")
    assert isinstance(client, Redis)
    assert client.connection_pool.connection_class is SentinelManagedSSLConnection
    assert client.connection_pool.connection_kwargs["ssl_ca_certs"] == "/ca.pem"


def test_celery_hears_of_the_sentinels_in_its_own_words() -> None:
    conf = create_celery(settings(redis_url=SecretStr(SENTINELS))).conf
    assert conf.broker_url.split(";") == [
        "sentinel://me:p%40ss@s1:26379/3", "sentinel://me:p%40ss@s2:26379/3", "sentinel://me:p%40ss@[::1]:26380/3"
    ]  # fmt: skip
    options = conf.broker_transport_options
    assert (options["master_name"], options["visibility_timeout"]) == ("clinic", 300)
    assert options["sentinel_kwargs"]["password"] == "other"
    with_tls = create_celery(settings(redis_url=SecretStr("rediss+sentinel://s1/clinic?ssl_ca_certs=/ca.pem"))).conf
    assert with_tls.broker_use_ssl == {"ssl_cert_reqs": "required", "ssl_ca_certs": "/ca.pem"}


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("valkey://host", "must be redis://"),
        ("redis+standalone://host", "must be redis://"),
        ("redis://", "must be redis://"),
        ("redis://one:1,two:2/0", "names several servers"),
        ("redis+sentinel://s1:26379", "does not name the master"),
        ("redis+sentinel://s1:26379/clinic/zero", "strange path"),
        ("redis+cluster://n1:7000/1", "names a database"),
        ("redis+cluster://n1:7000,:7001", "without host"),
        ("redis+cluster://n1:port", "strange port"),
        ("redis://host?socket_timeout=soon", "an option that does not fit"),
    ],
)
def test_what_is_not_understood_is_refused_with_a_sentence(url: str, why: str) -> None:
    with pytest.raises(ValidationError, match="REDIS_URL ") as refusal:
        settings(redis_url=SecretStr(url))
    assert why in str(refusal.value)


def test_the_broker_is_no_cluster() -> None:
    cluster, single = SecretStr("redis+cluster://:secret@n1:7000"), SecretStr("redis://host:6379/0")
    for changes in ({"redis_url": cluster}, {"redis_url": single, "task_broker_url": cluster}):
        with pytest.raises(ValidationError, match="broker cannot be a Redis Cluster: set TASK_BROKER_URL") as refusal:
            settings(**changes)
        assert "secret@" not in str(refusal.value)
    assert settings(redis_url=cluster, task_broker_url=single).redis_mode == "cluster"
