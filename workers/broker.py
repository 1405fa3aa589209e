"""Where Celery's messages go, in the words of kombu."""

from typing import Any
from urllib.parse import quote

from core.redis import RedisAddress


def broker(url: str, constants: dict[str, Any]) -> dict[str, Any]:
    """The settings of Celery for a broker at ``url``, a single server or sentinels, beside those that stand already.

    Sentinels are one URL each for kombu, and the master's name is an option of the transport
    (docs.celeryq.dev/projects/kombu/en/stable/reference/kombu.transport.redis.html).
    """
    address = RedisAddress.parse(url)
    if address.mode != "sentinel":
        return {"broker_url": url}
    options = dict(address.options)
    database = options.pop("db")
    words = [quote(options.pop(name, ""), safe="") for name in ("username", "password")]
    credentials = ":".join(words) + "@" if any(words) else ""
    sentinels = [f"sentinel://{credentials}{_bracketed(host)}:{port}/{database}" for host, port in address.nodes]
    transport = dict(constants["broker_transport_options"])
    timeouts = {name: transport[name] for name in ("socket_timeout", "socket_connect_timeout", "socket_keepalive")}
    transport |= {
        "master_name": address.master,
        "sentinel_kwargs": {**timeouts, **(address.sentinel_options or {}), "ssl": address.is_tls},
    }
    tls = {"broker_use_ssl": {"ssl_cert_reqs": "required", **options}} if address.is_tls else {}
    return {"broker_url": ";".join(sentinels), "broker_transport_options": transport, **tls}


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
