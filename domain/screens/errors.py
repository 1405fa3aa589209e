"""Named refusals of screens."""

from core.errors import ResourceNotFound


class PairingNotFound(ResourceNotFound):
    """No screen shows that code, or not any more, or it was confirmed already."""

    detail = "No screen shows this code now."


class ScreenNotFound(ResourceNotFound):
    """No such screen, or it was taken down."""

    detail = "There is no such screen."
