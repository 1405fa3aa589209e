"""Who carries e-mail out, chosen by the settings: a mail server, or the development outbox."""

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate
from typing import ClassVar, Protocol

from sqlalchemy.dialects.postgresql import insert

from core.database import Database
from core.ids import new_id
from core.settings import Settings
from domain.identity.letters import Letter
from models import LocalMessage
from workers.providers.base import Misconfigured, NoAnswer, Refused, TryLater


class Mailer(Protocol):
    """Sends letters. May raise a ``ProviderFault``."""

    name: ClassVar[str]

    async def send(self, letter: Letter) -> None:
        """Hand a letter over."""
        ...


def create_mailer(settings: Settings, database: Database) -> Mailer:
    """``MAIL_PROVIDER``; ``auto`` is the mail server of ``SMTP_HOST`` where that is set, else ``local``."""
    if settings.mail_provider == "smtp" or (settings.mail_provider == "auto" and settings.smtp_host):
        return SmtpMailer(settings)
    return LocalMailer(database)


class LocalMailer:
    """Keeps letters in ``local_messages``, to be read at ``/dev/outbox``."""

    name: ClassVar[str] = "local"

    def __init__(self, database: Database) -> None:
        """Where the letters are kept."""
        self._database = database

    async def send(self, letter: Letter) -> None:
        """Keep the letter; a repeat replaces the first one, whose link may be void."""
        body = f"{letter.subject}\n\n{letter.body}"
        kept = insert(LocalMessage).values(id=new_id(), email_id=letter.email_id, to=letter.to, body=body)
        async with self._database.session() as session:
            await session.execute(
                kept.on_conflict_do_update(index_elements=[LocalMessage.email_id], set_={"body": kept.excluded.body})
            )
            await session.commit()


class SmtpMailer:
    """Speaks SMTP (RFC 5321) with the standard library, in a thread: one connection a letter."""

    name: ClassVar[str] = "smtp"

    def __init__(self, settings: Settings) -> None:
        """Connects to nothing yet."""
        self._settings = settings

    async def send(self, letter: Letter) -> None:
        """Hand a letter over.

        Raises ``Refused`` (the address cannot be reached), ``Misconfigured`` (sign-in or encryption), ``TryLater``,
        and ``NoAnswer`` when the connection broke after the letter was on its way.
        """
        await asyncio.to_thread(self._send, letter)

    def _send(self, letter: Letter) -> None:
        try:
            with self._connect() as server:
                self._sign_in(server)
                server.send_message(self._message(letter))
        except smtplib.SMTPRecipientsRefused as refused:
            raise _refusal(next(iter(refused.recipients.values()))[0]) from refused
        except smtplib.SMTPAuthenticationError as refused:
            raise Misconfigured(str(refused.smtp_code)) from refused
        except smtplib.SMTPNotSupportedError as unsupported:
            raise Misconfigured("NOT_SUPPORTED", "the server offers no such encryption or sign-in") from unsupported
        except smtplib.SMTPResponseException as refused:
            raise _refusal(refused.smtp_code) from refused
        except ssl.SSLError as untrusted:
            raise Misconfigured("TLS", type(untrusted).__name__) from untrusted
        except smtplib.SMTPServerDisconnected as broken:
            raise NoAnswer("DISCONNECTED") from broken
        except TimeoutError as late:
            raise NoAnswer("TIMEOUT") from late
        except OSError as away:
            raise TryLater(type(away).__name__) from away

    def _connect(self) -> smtplib.SMTP:
        wanted = self._settings
        context = ssl.create_default_context()
        if wanted.smtp_security == "tls":
            return smtplib.SMTP_SSL(
                wanted.smtp_host, wanted.smtp_port, timeout=wanted.smtp_timeout_seconds, context=context
            )
        server = smtplib.SMTP(wanted.smtp_host, wanted.smtp_port, timeout=wanted.smtp_timeout_seconds)
        if wanted.smtp_security == "starttls":
            server.starttls(context=context)
        return server

    def _sign_in(self, server: smtplib.SMTP) -> None:
        if self._settings.smtp_username:
            server.login(self._settings.smtp_username, self._settings.smtp_password.get_secret_value())

    def _message(self, letter: Letter) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._settings.smtp_from
        message["To"] = letter.to
        message["Subject"] = letter.subject
        message["Date"] = formatdate(usegmt=True)
        # The same for every attempt: mail programs show a letter that came twice once.
        message["Message-ID"] = f"<{letter.email_id}@{self._settings.smtp_from.rpartition('@')[2].rstrip('>')}>"
        # RFC 3834: no holiday answers to a machine.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(letter.body)
        return message


def _refusal(code: int) -> Refused | TryLater:
    """RFC 5321, 4.2.1: 5yz is for good, 4yz for now. What the server said may hold the address: its code is kept."""
    return Refused(str(code)) if code >= 500 else TryLater(str(code))
