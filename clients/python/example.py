"""Print a board as it changes: ``python example.py ws://localhost:8000/api/v1/ws <queue id>``."""

import asyncio
import sys

from carebell_client import Carebell, Event, Snapshot, StateChanged


async def main(url: str, queue_id: str) -> None:
    """Until Ctrl-C."""
    async with Carebell(url) as client:
        async for change in client.subscribe(f"board:{queue_id}"):
            match change:
                case Snapshot(state=board):
                    print("the whole board:", *(f"{ticket['code']} {ticket['status']}" for ticket in board["tickets"]))
                case Event(name="ticket.upserted", data={"ticket": ticket}):
                    print(ticket["code"], ticket["status"], ticket["counter"]["name"] if ticket["counter"] else "")
                case StateChanged(state=state):
                    print(f"-- {state} --")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
