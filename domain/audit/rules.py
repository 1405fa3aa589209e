"""What is written down."""

from enum import StrEnum


class AuditAction(StrEnum):
    """What somebody did. Stored in audit_entries.action; a word is never given another meaning."""

    SIGNED_IN = "sign_in.succeeded"
    SIGN_IN_FAILED = "sign_in.failed"
    SESSION_ENDED = "session.ended"
    PASSWORD_RESET = "password.reset"  # noqa: S105 - a word
    SECOND_FACTOR_SET = "second_factor.set"
    SECOND_FACTOR_REMOVED = "second_factor.removed"
    API_KEY_MADE = "api_key.made"
    INVITATION_SENT = "invitation.sent"
    INVITATION_ACCEPTED = "invitation.accepted"
    SCREEN_PAIRED = "screen.paired"
    MEMBER_ADDED = "clinic.member_added"
    MEMBER_REMOVED = "clinic.member_removed"
    ACCESS_REFUSED = "access.refused"
    USER_CREATED = "user.created"
    ROLE_CHANGED = "user.role_changed"
    USER_DEACTIVATED = "user.deactivated"
    USER_REACTIVATED = "user.reactivated"
    USER_DISCONNECTED = "user.disconnected"
    RECORD_READ = "record.read"
    AUDIT_READ = "audit.read"
    DATA_EXPORTED = "data.exported"
