"""The log: one stream per channel, one event per change."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class Stream(Base):
    """``head`` is the last sequence given. ``epoch`` changes only when a sequence could have gone back (a restore)."""

    __tablename__ = "streams"
    # Every event updates this row: room on its page keeps the update off the indexes (HOT).
    __table_args__ = ({"postgresql_with": {"fillfactor": 70}},)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    channel: Mapped[str] = mapped_column(unique=True)
    epoch: Mapped[str] = mapped_column(server_default=text("substr(CAST(gen_random_uuid() AS text), 1, 8)"))
    head: Mapped[int] = mapped_column(BigInteger, server_default="0")


class StreamEvent(Base):
    """One change, exactly as it goes over the wire."""

    __tablename__ = "events"
    # Rows are written in the order of time: a few pages of index tell where the old ones are.
    __table_args__ = (Index("ix_events_at", "at", postgresql_using="brin"),)

    stream_id: Mapped[int] = mapped_column(ForeignKey("streams.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    name: Mapped[str]
    data: Mapped[dict[str, Any]]
    at: Mapped[datetime]
    actor: Mapped[str]
