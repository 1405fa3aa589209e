"""What a client makes of a thread's events: the fold of which the line rule speaks.

State and events are JSON as on the wire: ``{thread, messages, participants}`` and ``{name, data}``.
"""

import copy
from typing import Any

from domain.chat.queries import SNAPSHOT_MESSAGES

State = dict[str, Any]


def fold_thread(state: State, name: str, data: dict[str, Any]) -> State:
    """The thread after one more event. Pure: what came in is left as it was."""
    after = copy.deepcopy(state)
    match name:
        case "message.sent":
            message = data["message"]
            after["messages"] = [*after["messages"], message][-SNAPSHOT_MESSAGES:]
            after["thread"]["last_message"] = message
            after["thread"]["last_message_at"] = message["created_at"]
            _move_pointer(after, message["sender_id"], message["seq"])
        case "receipt.updated":
            _move_pointer(after, data["user_id"], data["read_seq"])
        case "thread.updated":
            after["thread"]["status"] = data["status"]
        case _:
            raise AssertionError(f"a thread has no event {name}")
    return after


def _move_pointer(state: State, user_id: str, read_seq: int) -> None:
    for people in (state["participants"], state["thread"]["participants"]):
        for person in people:
            if person["user_id"] == user_id:
                person["read_seq"] = max(person["read_seq"], read_seq)
