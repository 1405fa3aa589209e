"""What sockets were told of who is there."""

from typing import Any

from tests.support.web import TestSocket


def told(socket: TestSocket, channel: str) -> list[Any]:
    """All that a socket was told of who is there, so far."""
    frames = [frame for frame in socket.seen if frame.get("name") == "presence" and frame["channel"] == channel]
    return [_said(frame) for frame in frames]


def _said(frame: dict[str, Any]) -> Any:
    (said,) = frame["data"].values()
    return set(said) if isinstance(said, list) else said


async def until_told(socket: TestSocket, channel: str, expected: object) -> None:
    """Read on until it is told that."""
    while _said(await socket.until(type="signal", channel=channel, name="presence")) != expected:
        pass
