"""Servers that the socket tests share, one on each kind of loop."""

from collections.abc import Iterator

import pytest

from tests.hub.sockets import EchoClient, Running, serving


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def running(request: pytest.FixtureRequest) -> Iterator[Running]:
    """A server with the echo application."""
    with serving(request.param) as running:
        yield running


@pytest.fixture
def client(running: Running) -> Iterator[EchoClient]:
    """A fresh socket to it, after the handshake."""
    client = running.connect()
    yield client
    client.close()
