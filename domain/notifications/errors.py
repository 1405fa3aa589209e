"""Named refusals of notifications."""

from core.errors import ResourceNotFound


class NotificationNotFound(ResourceNotFound):
    """No such notification, or one of somebody else: which of the two is not told."""

    detail = "There is no such notification."
