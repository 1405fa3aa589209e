"""A board as a client keeps it: the snapshot, changed by events."""

from typing import Any


def fold(state: dict[str, Any], name: str, data: dict[str, Any]) -> dict[str, Any]:
    """The state after one event. Raises ``ValueError`` for an event that a board does not know."""
    tickets = {ticket["id"]: ticket for ticket in state["tickets"]}
    match name:
        case "ticket.upserted":
            tickets[data["ticket"]["id"]] = data["ticket"]
        case "ticket.removed":
            tickets.pop(data["id"], None)
        case _:
            raise ValueError(name)
    return {**state, "tickets": list(tickets.values())}


def comparable(state: dict[str, Any]) -> dict[str, Any]:
    """The order of tickets is the screen's business."""
    return {**state, "tickets": sorted(state["tickets"], key=lambda ticket: ticket["id"])}
