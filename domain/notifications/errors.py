"""Named refusals of notifications."""

from core.errors import Withheld


class NotificationNotFound(Withheld):
    """No such notification, or one of somebody else: which of the two is not told."""

    detail = "There is no such notification."
