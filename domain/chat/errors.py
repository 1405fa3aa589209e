"""Named refusals of the chat."""

from core.errors import Conflict, Validation, Withheld


class ThreadNotFound(Withheld):
    """No such thread, or not one of the caller's: which of the two is not told."""

    detail = "There is no such thread."


class MessageNotFound(Withheld):
    """No such message, or not in a thread of the caller."""

    detail = "There is no such message."


class ThreadClosed(Conflict):
    """A closed care thread takes no messages."""

    error_code = "THREAD_CLOSED"
    detail = "This thread is closed. Reopen it to write in it."


class AttachmentsUnsupported(Validation):
    """A message is text; files come later, and must not seem to have been sent."""

    error_code = "ATTACHMENTS_UNSUPPORTED"
    detail = "Messages cannot have attachments yet. Nothing was sent."


class OwnMessage(Conflict):
    """Only somebody who receives a message can mark it as read."""

    error_code = "OWN_MESSAGE"
    detail = "You wrote this message yourself; only its recipients can mark it as read."


class NoAdvisorAvailable(Conflict):
    """There is no active advisor who could take the thread."""

    error_code = "NO_ADVISOR_AVAILABLE"
    detail = "There is no advisor at the moment. Please try again later, or ask at the reception."


class DoctorNotFound(Validation):
    """The doctor named is not an active doctor."""

    error_code = "DOCTOR_NOT_FOUND"
    detail = "There is no such doctor."


class PatientNotFound(Validation):
    """The patient named does not exist, or has no account to write to."""

    error_code = "PATIENT_NOT_FOUND"
    detail = "There is no such patient with an account."
