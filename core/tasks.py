"""How the domain asks for background work without knowing Celery.

A task name and plain arguments leave after COMMIT, best effort. Work that must not get lost is a row in the
same transaction, which a sweep picks up when the message was lost.
"""

from typing import Protocol

SEND_SMS = "workers.tasks.send_sms"
SEND_EMAIL = "workers.tasks.send_email"
TELL_THREAD = "workers.tasks.tell_thread"


class TaskSender(Protocol):
    """What can hand a task to the workers."""

    def send(self, name: str, *args: str) -> None:
        """Queue a task; returns at once and never raises: a lost message is found by the sweep."""
        ...


class NoTasks:
    """For processes that send none: the sweep finds the rows."""

    def send(self, name: str, *args: str) -> None:
        """Leave the row to the sweep."""
