"""Carebell's socket for Python: one connection, many channels, nothing lost and nothing twice (docs/protocol.md)."""

from carebell_client.changes import Change, ChannelState, Event, Position, Presence, Signal, Snapshot, StateChanged
from carebell_client.client import Carebell
from carebell_client.errors import Refused, Stopped
from carebell_client.outbox import Draft, FileOutbox, MemoryOutbox, Outbox
from carebell_client.postman import Ack, Outcome
from carebell_client.subscription import Subscription

__all__ = [
    "Ack",
    "Carebell",
    "Change",
    "ChannelState",
    "Draft",
    "Event",
    "FileOutbox",
    "MemoryOutbox",
    "Outbox",
    "Outcome",
    "Position",
    "Presence",
    "Refused",
    "Signal",
    "Snapshot",
    "StateChanged",
    "Stopped",
    "Subscription",
]
