"""What all sockets of one server share."""

import asyncio
from dataclasses import dataclass
from typing import Any, cast
from weakref import WeakKeyDictionary

from uvicorn.config import Config
from uvicorn.server import ServerState

from hub.admission import Admission
from hub.joined_writes import JoinedWrites, joined_writes
from hub.keepalive import Keepalive


@dataclass(slots=True, eq=False)
class SocketServer:
    """One for each uvicorn server, whose sets of connections and tasks it knows."""

    config: Config
    connections: set[Any]
    tasks: set[asyncio.Task[None]]
    loop: asyncio.AbstractEventLoop
    writes: JoinedWrites
    keepalive: Keepalive
    admission: Admission
    max_message_bytes: int


_servers: WeakKeyDictionary[ServerState, SocketServer] = WeakKeyDictionary()


def socket_server(config: Config, state: ServerState) -> SocketServer:
    """The one that belongs to this server; made for its first socket."""
    if state not in _servers:
        loop = asyncio.get_running_loop()
        _servers[state] = SocketServer(
            config=config,
            connections=cast("set[Any]", state.connections),
            tasks=state.tasks,
            loop=loop,
            writes=joined_writes(),
            keepalive=Keepalive(loop, config.ws_ping_interval, config.ws_ping_timeout),
            admission=Admission(loop),
            max_message_bytes=config.ws_max_size,
        )
    return _servers[state]
