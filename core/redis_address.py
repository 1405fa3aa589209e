"""What a Redis URL says: one server, the sentinels that know the master, or some nodes of a cluster."""

from dataclasses import dataclass
from typing import Any, Final, Literal, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from redis.asyncio.connection import SSLConnection, parse_url

Mode = Literal["standalone", "sentinel", "cluster"]

_FORMS: Final = (
    "redis://[USER:PASSWORD@]HOST:PORT/DB, "
    "redis+sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT/MASTER[/DB] or "
    "redis+cluster://[USER:PASSWORD@]HOST:PORT,HOST:PORT (rediss… with TLS)"
)
_MODES: Final[dict[str, Mode]] = {"": "standalone", "sentinel": "sentinel", "cluster": "cluster"}
_PORTS: Final[dict[Mode, int]] = {"standalone": 6379, "sentinel": 26379, "cluster": 6379}
_SENTINEL: Final = "sentinel_"


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where Redis is and how it is spoken to.

    The forms with ``+sentinel`` and ``+cluster`` are those of ``limits``
    (limits.readthedocs.io/en/stable/storage.html); what stands in the query is what redis-py takes there.
    """

    mode: Mode
    url: str
    nodes: tuple[tuple[str, int], ...]
    """Host and port of each server, sentinel or cluster node that the URL names."""
    is_tls: bool
    options: dict[str, Any]
    """Credentials, database and what the query says, as a connection of redis-py takes them."""
    master: str = ""
    """The name under which sentinels know it."""
    sentinel_options: dict[str, str] | None = None
    """Credentials of the sentinels themselves: ``?sentinel_username=…&sentinel_password=…``."""

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a URL. Raises ``ValueError``, with a sentence that holds no password."""
        scheme, _, rest = url.partition("://")
        base, _, kind = scheme.partition("+")
        mode = _MODES.get(kind)
        if base not in ("redis", "rediss") or mode is None or not rest:
            raise ValueError(f"must be {_FORMS}")
        parts = urlsplit(f"//{rest}")
        credentials, at, hosts = parts.netloc.rpartition("@")
        nodes = tuple(_host_and_port(host, _PORTS[mode]) for host in hosts.split(","))
        master, database = _path(mode, parts.path)
        query = dict(parse_qsl(parts.query))
        sentinel = {name.removeprefix(_SENTINEL): query.pop(name) for name in list(query) if name.startswith(_SENTINEL)}
        if mode == "standalone" and len(nodes) > 1:
            raise ValueError(f"names several servers: it must be {_FORMS}")
        try:
            options = parse_url(f"{base}://{credentials}{at}host/{database}?{urlencode(query)}")
        except ValueError as error:
            raise ValueError(f"has an option that does not fit: it must be {_FORMS}") from error
        options.pop("host")
        is_tls = options.pop("connection_class", None) is SSLConnection
        return cls(mode, url, nodes, is_tls, dict(options), master, sentinel or None)


def _host_and_port(host: str, default: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{host}")
        name, port = parts.hostname, parts.port
    except ValueError:
        name = port = None
    if not name:
        raise ValueError(f"has a part without host or with a strange port: it must be {_FORMS}")
    return name, port or default


def _path(mode: Mode, path: str) -> tuple[str, str]:
    """The master's name, and the database."""
    words = [word for word in path.split("/") if word]
    master = words.pop(0) if mode == "sentinel" and words else ""
    if mode == "sentinel" and not master:
        raise ValueError(f"does not name the master: it must be {_FORMS}")
    database = words.pop(0) if words else "0"
    if words or not database.isdigit():
        raise ValueError(f"has a strange path: it must be {_FORMS}")
    if mode == "cluster" and database != "0":
        raise ValueError("names a database, and a cluster has but the one")
    return master, database
