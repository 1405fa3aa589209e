"""The tables. One table (or tight family) a file; imports nothing of ours."""

from models.audit import AuditEntry
from models.base import Base
from models.chat import Message, Thread, ThreadParticipant
from models.clinic import Clinic, ClinicMember
from models.email import Email
from models.hub_node import HubNode
from models.idempotency import IdempotencyKey
from models.invitation import Invitation
from models.notification import Delivery, LocalMessage, Notification, NotificationPreference
from models.patient import Patient
from models.queue import Counter, Queue, Ticket, TicketNumber, TicketTransition
from models.screen import Pairing, Screen
from models.second_factor import PasswordReset, RecoveryCode, SecondFactor
from models.session import RefreshToken, Session, SocketTicket
from models.stream import Stream, StreamEvent
from models.user import User

__all__ = [
    "AuditEntry",
    "Base",
    "Clinic",
    "ClinicMember",
    "Counter",
    "Delivery",
    "Email",
    "HubNode",
    "IdempotencyKey",
    "Invitation",
    "LocalMessage",
    "Message",
    "Notification",
    "NotificationPreference",
    "Pairing",
    "PasswordReset",
    "Patient",
    "Queue",
    "RecoveryCode",
    "RefreshToken",
    "Screen",
    "SecondFactor",
    "Session",
    "SocketTicket",
    "Stream",
    "StreamEvent",
    "Thread",
    "ThreadParticipant",
    "Ticket",
    "TicketNumber",
    "TicketTransition",
    "User",
]
