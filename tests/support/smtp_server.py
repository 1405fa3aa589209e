"""A real mail server for tests (aiosmtpd): it keeps what it is given, or answers as told."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from queue import Queue

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword
from aiosmtpd.smtp import Session as SmtpSession

from tests.support.web import free_port

USERNAME, PASSWORD = "carebell", "mail-password"


@dataclass
class Inbox:
    """What came, oldest first; ``answers`` are given to the next recipients or letters instead of taking them."""

    host: str
    port: int
    letters: "Queue[Message]" = field(default_factory=Queue)
    refuse_recipients_with: str = ""
    refuse_letters_with: str = ""

    async def handle_RCPT(  # noqa: N802 - the name that aiosmtpd calls
        self, _server: SMTP, _session: SmtpSession, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """One recipient."""
        if self.refuse_recipients_with:
            return self.refuse_recipients_with
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - the name that aiosmtpd calls
        self, _server: SMTP, _session: SmtpSession, envelope: Envelope
    ) -> str:
        """One letter."""
        if self.refuse_letters_with:
            return self.refuse_letters_with
        assert isinstance(envelope.content, bytes)
        self.letters.put(message_from_bytes(envelope.content))
        return "250 OK"


def _authenticate(
    _server: SMTP, _session: SmtpSession, _envelope: Envelope, _mechanism: str, shown: LoginPassword
) -> AuthResult:
    is_right = (shown.login.decode(), shown.password.decode()) == (USERNAME, PASSWORD)
    return AuthResult(success=is_right, handled=False)


@contextmanager
def smtp_server(*, needs_sign_in: bool = False) -> Iterator[Inbox]:
    """A server on a free port of this machine, without encryption."""
    inbox = Inbox("127.0.0.1", free_port())
    controller = Controller(
        inbox,
        hostname=inbox.host,
        port=inbox.port,
        authenticator=_authenticate if needs_sign_in else None,
        auth_required=needs_sign_in,
        auth_require_tls=False,
    )
    controller.start()
    try:
        yield inbox
    finally:
        controller.stop()
