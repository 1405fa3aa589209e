"""Who is compared: how each server is started, how its clients join, and how a message gets to it."""

import os
import sys
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from bench import tools
from bench.load import NUMBER, Clients, Feed, filled, text_frame
from bench.processes import Process, free_port, server
from bench.stage import HEAD, Stage
from core.redis import PREFIX
from core.streams import Position
from ops.checkout import ROOT

SIZE: Final = 300
"""Bytes of a message on its way to a socket."""

_CHANNEL: Final = "bench"
_SERVERS: Final = tools.HERE / "servers"

Started = AbstractContextManager[Process]


@dataclass(frozen=True)
class Peer:
    """A server to be measured. ``flat_out`` is how many messages it gets at once: the slow ones fewer."""

    key: str
    title: str
    start: Callable[[Stage], Started]
    clients: Callable[[Stage], Clients]
    feed: Callable[[Stage], Feed]
    flat_out: int = 1500
    is_slow: bool = False


def redis_feed(stage: Stage, channel: str, payload: bytes, first_number: int = 1) -> Feed:
    """PUBLISH in front of the server (RESP, redis.io/docs/reference/protocol-spec)."""
    words = [b"PUBLISH", channel.encode(), payload]
    message = b"*3\r\n" + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
    return Feed(stage.redis_port, f"AUTH {stage.redis_password}\r\n".encode(), message, first_number)


def board_clients(stage: Stage, board: int = 0) -> Clients:
    """Signed in by bearer token, subscribed to a board."""
    people = [person for talk in stage.conversations for person in (talk.patient, talk.advisor)]
    headers = [
        f"Authorization: Bearer {person.token}\r\nSec-WebSocket-Protocol: carebell.v1\r\n".encode() for person in people
    ]
    subscribe = {"type": "subscribe", "id": "1", "channel": f"board:{stage.boards[board]}"}
    hello = text_frame(msgspec.json.encode(subscribe))
    return Clients(path="/api/v1/ws", headers=headers, hellos=[hello], ready='"type":"subscribed"')


def board_visitors(stage: Stage, board: int, position: Position | None = None) -> Clients:
    """Screens without a name, as boards are for everybody; with a position they resume."""
    channel = f"board:{stage.boards[board]}"
    hello: dict[str, Any] = {"type": "hello"}
    if position is not None:
        hello["resume"] = {channel: {"epoch": position.epoch, "seq": position.seq}}
    words = [hello] if position is not None else [hello, {"type": "subscribe", "id": "1", "channel": channel}]
    frames = b"".join(text_frame(msgspec.json.encode(word)) for word in words)
    headers = [b"Sec-WebSocket-Protocol: carebell.v1\r\n"]
    return Clients(path="/api/v1/ws", headers=headers, hellos=[frames], ready='"type":"subscribed"')


def visitors_of(stage: Stage, boards: Collection[int]) -> Clients:
    """Screens of several boards: the first socket of the first, and so on, and round again."""
    each = [board_visitors(stage, board) for board in boards]
    return replace(each[0], hellos=[hello for one in each for hello in one.hellos])


def board_feed(stage: Stage, board: int = 0) -> Feed:
    """What a hub hears after a commit, ``SIZE`` bytes in the frame; published straight to Redis."""
    head = b'{"type":"event","channel":"board:%b","seq":%b,"name":"ticket.upserted",' % (
        str(stage.boards[board]).encode(),
        NUMBER,
    )
    data = b'"at":"2026-01-01T08:00:00.000Z","data":{"ticket":{"id":"%b","code":"' % str(stage.boards[board]).encode()
    frame = head + data + filled(SIZE - len(head) - len(data) - 4) + b'"}}}'
    payload = b"%b %b %b" % (stage.epochs[board].encode(), NUMBER, frame)
    return redis_feed(stage, f"{PREFIX}board:{stage.boards[board]}", payload, HEAD + 1)


def _plain_feed(stage: Stage) -> Feed:
    return redis_feed(stage, _CHANNEL, filled(SIZE))


def _log(stage: Stage, port: int) -> Path:
    return stage.folder / "log" / f"peer-{port}.log"


def _floor(stage: Stage) -> Started:
    port = free_port()
    command = [*tools.program("floor"), str(port), str(stage.redis_port), stage.redis_password, _CHANNEL]
    return server("the floor", command, port, _log(stage, port), folder=Path(ROOT))


def _python(script: str, *, is_ours: bool) -> Callable[[Stage], Started]:
    def start(stage: Stage) -> Started:
        port = free_port()
        python = sys.executable if is_ours else str(tools.peers_python())
        command = [python, str(_SERVERS / script), str(port), stage.redis.url, _CHANNEL]
        return server(script, command, port, _log(stage, port))

    return start


def _node(script: str) -> Callable[[Stage], Started]:
    def start(stage: Stage) -> Started:
        port, folder = free_port(), tools.node_folder()
        command = [str(tools.node()), str(folder / script), str(port), stage.redis.url, _CHANNEL]
        return server(script, command, port, _log(stage, port))

    return start


def _socketio_feed(stage: Stage) -> Feed:
    """As another node's adapter publishes: MessagePack of its id, the packet and the options."""
    packet = {"type": 2, "data": ["message", filled(SIZE).decode()], "nsp": "/"}
    message = ["bench1", packet, {"rooms": [], "except": [], "flags": {}}]
    return redis_feed(stage, "socket.io#/#", msgspec.msgpack.encode(message))


def _python_socketio_feed(stage: Stage) -> Feed:
    """As another process's manager publishes."""
    message: dict[str, Any] = {
        "method": "emit", "event": "message", "data": filled(SIZE).decode(), "binary": False, "namespace": "/",
        "room": None, "skip_sid": None, "callback": None, "host_id": "bench",
    }  # fmt: skip
    return redis_feed(stage, _CHANNEL, msgspec.json.encode(message))


def _channels_feed(stage: Stage) -> Feed:
    """As ``group_send`` of another process publishes."""
    message = {"type": "bench.message", "text": filled(SIZE).decode()}
    return redis_feed(stage, f"asgi__group__{_CHANNEL}", msgspec.msgpack.encode(message))


def _engine_io(_: Stage) -> Clients:
    return Clients("/socket.io/?EIO=4&transport=websocket", hellos=[text_frame(b"40")], ready="40{")


def _plain(_: Stage) -> Clients:
    return Clients()


_ports: dict[str, int] = {}
"""The port of each broker's own protocol, chosen at its start."""


def _nats(stage: Stage) -> Started:
    port, _ports["nats"] = free_port(), free_port()
    program, environment = tools.debian_program("nats-server")
    configuration = stage.folder / "nats.conf"
    configuration.write_text(f'listen: "127.0.0.1:{_ports["nats"]}"\nwebsocket {{ port: {port}, no_tls: true }}\n')
    command = [str(program), "-c", str(configuration)]
    return server("nats-server", command, port, _log(stage, port), environment=environment)


def _nats_clients(_: Stage) -> Clients:
    words = b'CONNECT {"verbose":false,"pedantic":false}\r\nSUB bench 1\r\nPING\r\n'
    return Clients(hellos=[text_frame(words, opcode=2)], ready="PONG", is_stream=True)


def _nats_feed(_: Stage) -> Feed:
    message = b"PUB bench %d\r\n%b\r\n" % (SIZE, filled(SIZE))
    return Feed(_ports["nats"], b'CONNECT {"verbose":false,"pedantic":false}\r\n', message)


def _mosquitto(stage: Stage) -> Started:
    port, _ports["mosquitto"] = free_port(), free_port()
    program, environment = tools.debian_program("mosquitto")
    configuration = stage.folder / "mosquitto.conf"
    configuration.write_text(
        f"listener {port} 127.0.0.1\nprotocol websockets\nlistener {_ports['mosquitto']} 127.0.0.1\n"
        "allow_anonymous true\nset_tcp_nodelay true\nmax_queued_messages 0\nmax_inflight_messages 0\n"
    )
    command = [str(program), "-c", str(configuration)]
    return server("mosquitto", command, port, _log(stage, port), environment=environment)


def _mqtt_connect() -> bytes:
    """MQTT 3.1.1, section 3.1: a clean session without a name, no keep-alive."""
    return bytes([0x10, 12]) + b"\x00\x04MQTT\x04\x02\x00\x00\x00\x00"


def _mosquitto_clients(_: Stage) -> Clients:
    subscribe = bytes([0x82, 10]) + b"\x00\x01\x00\x05bench\x00"
    hello = text_frame(_mqtt_connect(), opcode=2) + text_frame(subscribe, opcode=2)
    header = b"Sec-WebSocket-Protocol: mqtt\r\n"
    return Clients("/mqtt", headers=[header], hellos=[hello], ready=os.fsdecode(b"\x90\x03"), is_stream=True)


def _mosquitto_feed(_: Stage) -> Feed:
    body = b"\x00\x05bench" + filled(SIZE)
    message = bytes([0x30, len(body) % 128 | 0x80, len(body) // 128]) + body
    return Feed(_ports["mosquitto"], _mqtt_connect(), message)


FLOOR: Final = Peer("floor", "bare send() loop in C (the floor)", _floor, _plain, _plain_feed)
OURS: Final = Peer(
    "carebell", "Carebell, whole protocol on", lambda stage: stage.web(), board_clients, board_feed, flat_out=5000
)
PEERS: Final = (
    FLOOR,
    OURS,
    Peer("ws", "Node ws 8.23", _node("ws.mjs"), _plain, _plain_feed),
    Peer("nats", "NATS 2.9 (Go), its WebSocket", _nats, _nats_clients, _nats_feed, flat_out=5000),
    Peer("mosquitto", "Mosquitto 2.0 (C), its WebSocket", _mosquitto, _mosquitto_clients, _mosquitto_feed),
    Peer("socketio", "Socket.IO 4.8 + Redis adapter", _node("socketio.mjs"), _engine_io, _socketio_feed),
    Peer(
        "websockets", "websockets 17 broadcast()", _python("websockets_broadcast.py", is_ours=True), _plain, _plain_feed
    ),
    Peer(
        "fastapi", "FastAPI route, send_text in a loop", _python("fastapi_loop.py", is_ours=True), _plain, _plain_feed
    ),
    Peer(
        "python-socketio", "python-socketio 5.18 + Redis manager", _python("python_socketio.py", is_ours=False),
        _engine_io, _python_socketio_feed, flat_out=300, is_slow=True,
    ),
    Peer(
        "channels", "Django Channels 4.3 + channels_redis pubsub", _python("django_channels.py", is_ours=False),
        _plain, _channels_feed, flat_out=150, is_slow=True,
    ),
)  # fmt: skip


def chosen(keys: Collection[str]) -> list[Peer]:
    """The peers of those names, in the order of the table; all when none is named."""
    return [peer for peer in PEERS if not keys or peer.key in keys]
