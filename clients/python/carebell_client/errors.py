"""What a caller can meet."""


class Refused(Exception):
    """The hub said no, for good: ``error_code`` is for machines, ``detail`` for people."""

    def __init__(self, error_code: str, detail: str) -> None:
        """As in the ``error`` frame."""
        super().__init__(f"{error_code}: {detail}")
        self.error_code = error_code
        self.detail = detail


class Stopped(Exception):
    """The client has left for good: it was closed, or the hub closed with a 40xx code. Drafts are kept."""

    def __init__(self, code: int, reason: str) -> None:
        """The close code and its words; 1000 when the application closed it."""
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason
