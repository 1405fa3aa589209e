"""Named refusals of the queue."""

from core.errors import Authorization, Conflict, ResourceNotFound, Validation


class QueueNotFound(ResourceNotFound):
    """No such queue."""

    detail = "There is no such queue."


class TicketNotFound(ResourceNotFound):
    """No such ticket."""

    detail = "There is no such ticket."


class CounterNotFound(Validation):
    """The counter is not one of this clinic's."""

    error_code = "COUNTER_NOT_FOUND"
    detail = "There is no such counter in this clinic."


class PhoneForStaffOnly(Authorization):
    """A patient named a number: whoever has an account could have the clinic text anybody."""

    error_code = "PHONE_FOR_STAFF_ONLY"
    field = "phone"
    detail = "Only the clinic's staff can name a number. You are told at the number of your own account."


class QueueEmpty(Conflict):
    """Nobody is waiting."""

    error_code = "QUEUE_EMPTY"
    detail = "Nobody is waiting in this queue."


class QueueClosed(Conflict):
    """The queue takes no tickets now."""

    error_code = "QUEUE_CLOSED"
    detail = "This queue is closed and gives no tickets now."


class TicketExists(Conflict):
    """One live ticket a patient in a queue."""

    error_code = "TICKET_EXISTS"
    detail = "This patient already has a ticket in this queue."


class IllegalTransition(Conflict):
    """The ticket's state does not allow that; the sentence says what it allows."""

    error_code = "ILLEGAL_TRANSITION"


class VersionConflict(Conflict):
    """Somebody else changed the ticket in the meantime."""

    error_code = "VERSION_CONFLICT"
