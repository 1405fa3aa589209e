"""What clients can ask of the hub. A command with an ``id`` gets exactly one ``ack``, ``subscribed`` or ``error``."""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable
from typing import Any, Final
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from core.access import PUBLIC
from core.actor import ANONYMOUS, Actor
from core.errors import Authentication, Refusal, Unavailable
from core.logging import get_logger
from core.rate_limits import RateLimit
from core.runtime import Runtime
from core.streams import Position
from domain.audit.actions import write_entry
from domain.audit.rules import AuditAction
from domain.chat import actions as chat
from domain.chat.rules import check_attachments
from domain.chat.sending import Draft, SentMessage
from domain.identity.policy import check_scope, check_scope_of_channel
from hub import sign_in
from hub.catalog import UnknownChannel, parse_channel
from hub.frames import Ack, Auth, ClientFrame, Error, Hello, Read, Send, Signal, Subscribe, Typing, Unsubscribe, encode
from hub.joiner import SendJoiner
from hub.relay import SIGNAL
from hub.sessions import Session
from hub.subscriptions import Subscriptions

log = get_logger(__name__)


class NotSubscribed(Refusal):
    """Signals go to channels that one follows."""

    status = 409
    error_code = "NOT_SUBSCRIBED"
    detail = "Subscribe to the channel first."


class TooManyChannels(Refusal):
    """The socket follows as many channels as it may."""

    status = 429
    error_code = "TOO_MANY_CHANNELS"
    detail = "This socket follows as many channels as it may."


_TYPING: Final = "typing"
_HELLO_FIRST: Final = "Say hello first."
_NOTED_REFUSALS: Final = RateLimit("noted_refusals", 100, 60)


class Commands:
    """Carries out frames of clients. One a node."""

    def __init__(self, runtime: Runtime, subscriptions: Subscriptions) -> None:
        """Needs the transactions and the channels of this node."""
        self._runtime = runtime
        self._subscriptions = subscriptions
        self._joiner = SendJoiner(runtime.transactions)
        self.outcomes: Counter[tuple[type[ClientFrame], str]] = Counter()

    async def execute_next(self, session: Session, inbox: deque[ClientFrame]) -> None:
        """Take the next frame and carry it out; whatever goes wrong is answered by name, and the socket lives.

        Messages that came one right after the other are on their way at once, and answered in their order.
        """
        if not isinstance(inbox[0], Send):
            frame = inbox.popleft()
            await self._answer(session, frame, self._dispatch(session, frame))
            return
        sends: list[tuple[Send, asyncio.Future[SentMessage]]] = []
        while inbox and isinstance(send := inbox[0], Send):
            inbox.popleft()
            sends.append((send, self._begin_send(session, send)))
        for send, sent in sends:
            await self._answer(session, send, self._acknowledge(session, send, sent))

    async def close(self) -> None:
        """Wait for what is being written."""
        await self._joiner.close()

    async def _answer(self, session: Session, frame: ClientFrame, work: Awaitable[None]) -> None:
        try:
            await work
        except Refusal as refusal:
            self._answer_error(session, frame, refusal)
            if refusal.is_noted:
                await self._note_refusal(session, frame, refusal)
        except (SQLAlchemyError, OSError) as fault:
            log.warning("command_unavailable", command=type(frame).__name__, fault=type(fault).__name__)
            self._answer_error(session, frame, Unavailable(retry_after=2))
        except Exception:
            log.exception("command_failed", command=type(frame).__name__, connection=str(session.id))
            self._answer_error(session, frame, _Internal())
        else:
            self.outcomes[type(frame), "ok"] += 1

    async def _dispatch(self, session: Session, frame: ClientFrame) -> None:
        if isinstance(frame, Hello):
            await self._hello(session, frame)
            return
        if not session.is_welcomed:
            raise Authentication(_HELLO_FIRST)
        match frame:
            case Subscribe():
                position = _position(frame.epoch, frame.seq)
                await self._subscribe(session, frame.channel, position, {"id": frame.id}, is_counted=frame.present)
            case Unsubscribe():
                session.leave(frame.channel)
                session.send(Ack(id=frame.id))
            case Read():
                await self._read(session, frame)
            case Typing():
                self._typing(session, frame)
            case Auth():
                await self._auth(session, frame)

    async def _hello(self, session: Session, frame: Hello) -> None:
        if frame.token is not None:
            await self._sign_in(session, frame.token)
        session.welcome(session.actor or ANONYMOUS)
        if frame.id is not None:
            session.send(Ack(id=frame.id))
        for channel, position in frame.resume.items():
            await self._subscribe(session, channel, Position(position.epoch, position.seq), {})

    async def _subscribe(
        self,
        session: Session,
        name: str,
        position: Position | None,
        reply: dict[str, Any],
        *,
        is_counted: bool = True,
    ) -> None:
        kind, subject = parse_channel(name)
        if name not in session.channels and len(session.channels) >= self._runtime.settings.hub_max_channels:
            raise TooManyChannels
        check_scope_of_channel(session.actor or ANONYMOUS, name)
        # A public channel that is served here exists: ten thousand screens that come back need not ask for it each.
        if kind.policy is not PUBLIC or not self._subscriptions.serves(name):
            async with self._runtime.database.reads() as database:
                await kind.authorise(database, session.actor or ANONYMOUS, subject)
        session.leave(name)
        seat = kind.seat(session.actor or ANONYMOUS, is_counted=is_counted)
        session.joined(await self._subscriptions.follow(session, name, kind, subject, position, reply, seat))

    def _begin_send(self, session: Session, frame: Send) -> asyncio.Future[SentMessage]:
        try:
            if not session.is_welcomed:
                raise Authentication(_HELLO_FIRST)
            check_attachments(frame.attachments)
            return self._joiner.send(Draft(_writer(session), _thread_id(frame.channel), frame.key, frame.body))
        except Refusal as refusal:
            refused: asyncio.Future[SentMessage] = asyncio.get_running_loop().create_future()
            refused.set_exception(refusal)
            return refused

    @staticmethod
    async def _acknowledge(session: Session, frame: Send, sent: asyncio.Future[SentMessage]) -> None:
        message = (await sent).message
        session.send(Ack(id=frame.id, seq=message.seq, message=message))

    async def _read(self, session: Session, frame: Read) -> None:
        thread_id = _thread_id(frame.channel)
        async with self._runtime.transactions.begin(_writer(session)) as unit:
            await chat.mark_read(unit, thread_id, frame.seq)
        if frame.id is not None:
            session.send(Ack(id=frame.id))

    def _typing(self, session: Session, frame: Typing) -> None:
        """Subscribing has checked the right to the thread; a signal touches no database."""
        actor = _writer(session)
        _thread_id(frame.channel)
        if frame.channel not in session.channels:
            raise NotSubscribed
        signal = Signal(channel=frame.channel, name=_TYPING, data={"user_id": str(actor.user_id), "on": frame.on})
        self._runtime.publisher.publish(frame.channel, b"%s %s" % (SIGNAL, encode(signal)))
        if frame.id is not None:
            session.send(Ack(id=frame.id))

    async def _auth(self, session: Session, frame: Auth) -> None:
        await self._sign_in(session, frame.token)
        session.send(Ack(id=frame.id))

    async def _sign_in(self, session: Session, credential: str) -> None:
        """What somebody follows is theirs: whoever comes after them must not go on with it."""
        fresh = await sign_in.by_either(self._runtime, credential)
        if session.actor is not None and session.actor.user_id not in {None, fresh.actor.user_id}:
            raise Authentication("A living socket cannot change its user; open another.")
        session.take(fresh)

    async def _note_refusal(self, session: Session, frame: ClientFrame, refusal: Refusal) -> None:
        """Into the audit, by the hundred a minute at most: a socket may ask far more often."""
        actor = session.actor or ANONYMOUS
        if await self._runtime.rate_limits.hit(_NOTED_REFUSALS, actor.label) is not None:
            return
        facts = {"channel": getattr(frame, "channel", ""), "error_code": refusal.error_code}
        try:
            async with self._runtime.transactions.begin(actor) as unit:
                write_entry(unit, AuditAction.ACCESS_REFUSED, f"socket {type(frame).__name__.lower()}", facts)
        except (SQLAlchemyError, OSError):
            log.exception("refusal_not_audited", command=type(frame).__name__)

    def _answer_error(self, session: Session, frame: ClientFrame, refusal: Refusal) -> None:
        self.outcomes[type(frame), refusal.error_code] += 1
        error = Error(error_code=refusal.error_code, detail=refusal.detail)
        if frame.id is not None:
            error.id = frame.id
        if refusal.retry_after is not None:
            error.retry_after = refusal.retry_after
        session.send(error)


class _Internal(Refusal):
    status = 500
    error_code = "INTERNAL"
    detail = "Something went wrong on our side. It has been noted."


def _position(epoch: str | None, seq: int | None) -> Position | None:
    return Position(epoch, seq) if epoch is not None and seq is not None else None


def _writer(session: Session) -> Actor:
    if session.actor is None or session.actor.user_id is None:
        raise Authentication
    check_scope(session.actor, "chat:write")
    return session.actor


def _thread_id(channel: str) -> UUID:
    if not channel.startswith("thread:"):
        raise UnknownChannel("Messages go to thread channels only.")
    return parse_channel(channel)[1]
