"""Redis, spoken here and nowhere else. It only wakes hub nodes up: what it loses is healed from Postgres.

``Publisher`` sends what was committed, without making a request wait. ``Subscriber`` is what a node hears. One URL
says whether that is a single server, a master that Sentinel names, or a cluster (``RedisAddress``,
docs/decisions/0020-redis-by-url.md).
"""

from core.redis.client import FAULTS, PREFIX, Client, cluster_options, connect, disconnect, ping
from core.redis.publisher import Publisher
from core.redis.subscriber import Subscriber
from core.redis_address import Mode, RedisAddress

__all__ = [
    "FAULTS",
    "PREFIX",
    "Client",
    "Mode",
    "Publisher",
    "RedisAddress",
    "Subscriber",
    "cluster_options",
    "connect",
    "disconnect",
    "ping",
]
