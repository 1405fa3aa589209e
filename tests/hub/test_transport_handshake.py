"""The opening handshake against the real server: what the application is shown, and how a refusal looks."""

import json
import logging
import socket

import pytest
from websockets.frames import Opcode

from hub.transport import SocketProtocol
from tests.hub.raw_client import PATIENCE, RawClient
from tests.hub.sockets import Running, serving


def problem(client: RawClient, head: bytes, status: int) -> dict[str, object]:
    """The body of a refusal, which must be problem+json, and the last thing on the connection."""
    assert head.startswith(b"HTTP/1.1 %d " % status), head
    assert b"Content-Type: application/problem+json\r\n" in head
    body = json.loads(client.stream.read())
    client.close()
    assert body["status"] == status
    assert {"type", "title", "detail", "error_code", "timestamp", "request_id"} <= body.keys()
    return dict(body)


def test_the_application_sees_the_request_as_it_is(running: Running) -> None:
    """Path decoded, query raw, header names in lower case, repeated ones joined."""
    raw = "a=1\r\nCookie: b=2\r\nX-Tag: one\r\nX-Tag: two"
    client = running.connect("/ec%68o?token=s3cret%20x", Origin="https://example.org", Cookie=raw)
    request = client.handler.application.requests.get(timeout=PATIENCE)
    assert (request.path, request.query) == ("/echo", "token=s3cret%20x")
    assert request.headers["origin"] == "https://example.org"
    assert request.headers["cookie"] == "a=1; b=2"
    assert request.headers["x-tag"] == "one, two"
    assert request.address == client.socket.getsockname() == client.handler.socket.address
    assert request.secure is False
    assert "s3cret" not in repr(request)
    assert "a=1" not in repr(request)
    client.close()


@pytest.mark.parametrize(
    ("offered", "taken"),
    [("carebell.v1", True), ("chat, carebell.v1", True), ("", False), ("chat", False), ("carebell.v2", False)],
)
def test_the_subprotocol_is_taken_when_offered(running: Running, offered: str, taken: bool) -> None:
    """And not missed when it is not."""
    client = RawClient(running.port)
    head = client.request("/echo", Sec_WebSocket_Protocol=offered)
    assert head.startswith(b"HTTP/1.1 101 ")
    assert (b"Sec-WebSocket-Protocol: carebell.v1\r\n" in head) is taken
    client.close()


def test_compression_is_declined(running: Running) -> None:
    """It would cost 60 KB a connection, and a frame could not be encoded once for all."""
    client = RawClient(running.port)
    head = client.request("/echo", Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"Extensions" not in head
    client.close()


@pytest.mark.parametrize(
    ("path", "status", "error_code", "header"),
    [
        ("/nowhere?token=t", 404, "RESOURCE_NOT_FOUND", b"Connection: close"),
        ("/busy", 429, "TOO_MANY_CONNECTIONS", b"Retry-After: 7"),
        ("/fail", 500, "INTERNAL", b"Cache-Control: no-store"),
        ("/later/fail", 500, "INTERNAL", b"Cache-Control: no-store"),
    ],
)
def test_a_refusal_is_a_problem(running: Running, path: str, status: int, error_code: str, header: bytes) -> None:
    """The application's own code, and never the words of what it raised."""
    client = RawClient(running.port)
    head = client.request(path)
    assert header + b"\r\n" in head
    body = problem(client, head, status)
    assert body["error_code"] == error_code
    assert "s3cret" not in str(body)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_WebSocket_Key": ""},
        {"Sec_WebSocket_Key": "not base64!"},
        {"Sec_WebSocket_Key": "c2hvcnQ="},
        {"Sec_WebSocket_Version": ""},
        {"Sec_WebSocket_Version": "8"},
        {"Origin": "https://a.example\r\nOrigin: https://b.example"},
    ],
)
def test_a_bad_handshake_is_refused_before_the_application_is_asked(running: Running, headers: dict[str, str]) -> None:
    """So that it does not use up a single-use ticket. The answer names the version (section 4.4)."""
    client = RawClient(running.port)
    head = client.request("/echo/bad", **headers)
    assert b"Sec-WebSocket-Version: 13\r\n" in head
    assert problem(client, head, 400)["error_code"] == "BAD_REQUEST"
    asked = [running.application.requests.get_nowait().path for _ in range(running.application.requests.qsize())]
    assert "/echo/bad" not in asked


def test_a_head_that_is_too_large_is_refused(running: Running) -> None:
    """More than 8 KiB in one header."""
    client = RawClient(running.port)
    head = client.request("/echo", Cookie="c" * 9000)
    assert problem(client, head, 431)["error_code"] == "REQUEST_HEADER_FIELDS_TOO_LARGE"


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_an_answer_may_be_awaited(loop: str) -> None:
    """A frame that is sent before the answer waits in the client's own buffers, and is not lost."""
    with serving(loop) as running:
        accepted, refused = RawClient(running.port), RawClient(running.port)
        for client, path in ((accepted, "/later"), (refused, "/later/no")):
            client.send_request(path)
            running.application.requests.get(timeout=PATIENCE)
            client.send_frame(Opcode.TEXT, b"early")
        running.loop.call_soon_threadsafe(running.application.gate.set)
        assert accepted.head().startswith(b"HTTP/1.1 101 ")
        assert accepted.text() == b"early"
        accepted.close()
        head = refused.head()
        assert b"WWW-Authenticate: Bearer\r\n" in head
        assert head.startswith(b"HTTP/1.1 401 ")
        refused.close()


class Impatient(SocketProtocol):
    """Waits a moment only."""

    __slots__ = ()
    handshake_seconds = 0.05


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_an_answer_that_does_not_come_is_a_503(loop: str) -> None:
    """And what was awaited is cancelled."""
    with serving(loop, Impatient) as running:
        client = RawClient(running.port)
        head = client.request("/later")
        assert b"Retry-After: 2\r\n" in head
        assert problem(client, head, 503)["error_code"] == "UNAVAILABLE"
        assert running.application.cancelled.get(timeout=PATIENCE) == "later"


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_only_a_trusted_proxy_is_believed(loop: str) -> None:
    """X-Forwarded-For and -Proto count from addresses that uvicorn was told to trust, from nobody else."""
    headers = {"X_Forwarded_For": "203.0.113.9, 198.51.100.7", "X_Forwarded_Proto": "https"}
    with serving(loop, forwarded_allow_ips="127.0.0.1") as running:
        client = running.connect(**headers)
        request = running.application.requests.get(timeout=PATIENCE)
        assert (request.address[0], request.secure) == ("198.51.100.7", True)
        assert client.handler.socket.address == request.address
        client.close()
    with serving(loop, forwarded_allow_ips="10.0.0.1") as running:
        client = running.connect(**headers)
        request = running.application.requests.get(timeout=PATIENCE)
        assert (request.address, request.secure) == (client.socket.getsockname(), False)
        client.close()


def test_no_log_line_holds_a_credential(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the query nor a header nor a message nor what a handler raised, at any level."""
    with caplog.at_level(logging.DEBUG):
        client = running.connect("/echo?token=s3cret", Cookie="session=s3cret")
        client.send_frame(Opcode.TEXT, b"fail s3cret")
        assert client.closing()[0] == 1011
        refused = RawClient(running.port)
        refused.request("/nowhere?ticket=s3cret")
        refused.close()
    lines = [record.getMessage() for record in caplog.records if record.name == "uvicorn.access"]
    assert [line.split(" - ")[1] for line in lines] == ['"GET /echo HTTP/1.1" 101', '"GET /nowhere HTTP/1.1" 404']
    assert "s3cret" not in caplog.text


def test_plain_http_still_goes_to_the_other_door(running: Running) -> None:
    """One port for both."""
    with socket.create_connection(("127.0.0.1", running.port), PATIENCE) as plain:
        plain.sendall(b"GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        with plain.makefile("rb") as answer:
            assert answer.read().endswith(b"\r\n\r\nhttp")
