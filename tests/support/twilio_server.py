"""A local HTTP server that speaks Twilio's Messages API, with faults on demand.

After https://www.twilio.com/docs/messaging/api/message-resource and https://www.twilio.com/docs/usage/twilios-response.
"""

import base64
import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

ACCOUNT = "AC" + "0" * 32
TOKEN = "auth-token-of-the-tests"
SENDER = "+15005550006"


class Fault(Enum):
    """What goes wrong with one request to send."""

    RATE_LIMIT = "429"
    UNAVAILABLE = "503"
    INTERNAL = "500, after nothing was taken"
    INTERNAL_TAKEN = "500, after the message was taken"
    INVALID_NUMBER = "21211"
    HANG = "no answer, nothing taken"
    HANG_TAKEN = "no answer, after the message was taken"
    CUT_TAKEN = "the connection is cut after the message was taken"
    GARBAGE_TAKEN = "an answer that is not JSON, after the message was taken"


_ERRORS = {
    Fault.RATE_LIMIT: (429, 20429, "Too Many Requests"),
    Fault.UNAVAILABLE: (503, 20503, "Service unavailable"),
    Fault.INTERNAL: (500, 20500, "Internal Server Error"),
    Fault.INTERNAL_TAKEN: (500, 20500, "Internal Server Error"),
    Fault.INVALID_NUMBER: (400, 21211, "The 'To' number is not a valid phone number."),
}
_TAKEN = {Fault.INTERNAL_TAKEN, Fault.HANG_TAKEN, Fault.CUT_TAKEN, Fault.GARBAGE_TAKEN}


@dataclass
class TwilioServer:
    """``messages`` is what it took, oldest first. ``faults`` are used up one a send, ``list_faults`` one a look-up."""

    url: str = ""
    messages: list[dict[str, Any]] = field(default_factory=list)
    faults: deque[Fault] = field(default_factory=deque)
    list_faults: deque[Fault] = field(default_factory=deque)
    sends: int = 0
    look_ups: int = 0
    received: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def bodies(self, to: str) -> list[str]:
        """What that number got."""
        return [message["body"] for message in self.messages if message["to"] == to]

    def take(self, to: str, sender: str, body: str) -> dict[str, Any]:
        """Have one more message."""
        moment = format_datetime(datetime.now(UTC))
        sid = "SM" + uuid4().hex
        message = {
            "account_sid": ACCOUNT,
            "api_version": "2010-04-01",
            "body": body,
            "date_created": moment,
            "date_sent": None,
            "date_updated": moment,
            "direction": "outbound-api",
            "error_code": None,
            "error_message": None,
            "from": sender,
            "messaging_service_sid": None,
            "num_media": "0",
            "num_segments": "1",
            "price": None,
            "price_unit": "USD",
            "sid": sid,
            "status": "queued",
            "subresource_uris": {"media": f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{sid}/Media.json"},
            "to": to,
            "uri": f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{sid}.json",
        }
        self.messages.append(message)
        return message


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    twilio: TwilioServer

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode(), keep_blank_values=True)
        if not self._is_allowed():
            return
        self.twilio.sends += 1
        fault = self.twilio.faults.popleft() if self.twilio.faults else None
        missing = [name for name in ("To", "From", "Body") if name not in form]
        if missing:
            self._error(400, 21604, f"A '{missing[0]}' is required.")
            return
        message = None
        if fault is None or fault in _TAKEN:
            message = self.twilio.take(form["To"][0], form["From"][0], form["Body"][0])
        self.twilio.received.set()
        if fault is None:
            self._answer(201, message)
        else:
            self._fail(fault)

    def do_GET(self) -> None:
        if not self._is_allowed():
            return
        self.twilio.look_ups += 1
        if self.twilio.list_faults:
            self._fail(self.twilio.list_faults.popleft())
            return
        query = parse_qs(urlsplit(self.path).query)
        to, size = query.get("To", [None])[0], int(query.get("PageSize", ["50"])[0])
        found = [message for message in reversed(self.twilio.messages) if to in {None, message["to"]}]
        uri = self.path
        self._answer(
            200,
            {
                "end": len(found[:size]),
                "first_page_uri": uri,
                "messages": found[:size],
                "next_page_uri": None,
                "page": 0,
                "page_size": size,
                "previous_page_uri": None,
                "start": 0,
                "uri": uri,
            },
        )

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        """Say nothing."""

    def _is_allowed(self) -> bool:
        wanted = "Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
        if self.headers.get("Authorization") != wanted:
            self._error(401, 20003, "Authenticate")
            return False
        if urlsplit(self.path).path != f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json":
            self._error(404, 20404, "The requested resource was not found")
            return False
        return True

    def _fail(self, fault: Fault) -> None:
        if fault in _ERRORS:
            self._error(*_ERRORS[fault])
        elif fault == Fault.GARBAGE_TAKEN:
            self._write(201, b"<html>a proxy's idea of an answer</html>", "text/html")
        else:
            if fault in {Fault.HANG, Fault.HANG_TAKEN}:
                self.twilio.released.wait(60)
            self.close_connection = True

    def _error(self, status: int, code: int, message: str) -> None:
        more = f"https://www.twilio.com/docs/errors/{code}"
        self._answer(status, {"code": code, "message": message, "more_info": more, "status": status})

    def _answer(self, status: int, content: Any) -> None:
        self._write(status, json.dumps(content).encode(), "application/json")

    def _write(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def twilio_server() -> Iterator[TwilioServer]:
    """The server in a thread, on a port of its own, with nothing in it."""
    twilio = TwilioServer()
    handler = type("Handler", (_Handler,), {"twilio": twilio})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    # Requests that hang must not keep the test from ending.
    server.block_on_close = False
    twilio.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield twilio
    finally:
        twilio.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
