"""Threads, who takes part in them, and their messages."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Identified, Timestamped


class Thread(Identified, Timestamped, Base):
    """A conversation. ``support`` is between a patient and advisors, ``care`` between a patient and a doctor.

    ``untold_seq`` is the first message of which nobody was told by a notification yet; empty when all were.
    """

    __tablename__ = "threads"
    __table_args__ = (
        CheckConstraint("kind IN ('support', 'care')", name="kind"),
        CheckConstraint("status IN ('open', 'closed')", name="status"),
        # What the sweep looks for.
        Index("ix_threads_untold", "id", postgresql_where=text("untold_seq IS NOT NULL")),
    )

    kind: Mapped[str]
    subject: Mapped[str] = mapped_column(server_default="", default="")
    status: Mapped[str] = mapped_column(server_default="open", default="open")
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    last_message_at: Mapped[datetime] = mapped_column(server_default=func.now())
    untold_seq: Mapped[int | None] = mapped_column(BigInteger)


class ThreadParticipant(Base):
    """A person in a thread with their own pointer: all messages up to ``read_seq`` are read. It only grows."""

    __tablename__ = "thread_participants"
    __table_args__ = (Index("ix_thread_participants_user_id_thread_id", "user_id", "thread_id"),)

    thread_id: Mapped[UUID] = mapped_column(ForeignKey("threads.id"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    read_seq: Mapped[int] = mapped_column(BigInteger, server_default="0", default=0)
    archived_at: Mapped[datetime | None]
    joined_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Message(Identified, Base):
    """``seq`` is its place in the thread's stream; ``key`` is the sender's own: a repeated send is one message."""

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("thread_id", "seq"),
        UniqueConstraint("sender_id", "key"),
        Index("ix_messages_body_search", text("to_tsvector('simple', body)"), postgresql_using="gin"),
    )

    thread_id: Mapped[UUID] = mapped_column(ForeignKey("threads.id"))
    seq: Mapped[int] = mapped_column(BigInteger)
    sender_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    key: Mapped[str]
    body: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
