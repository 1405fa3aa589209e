"""``broadcast()`` of the websockets library: ``websockets_broadcast.py PORT REDIS_URL CHANNEL``."""

import sys

import uvloop
from redis.asyncio import Redis
from websockets.asyncio.server import ServerConnection, broadcast, serve


async def main(port: int, url: str, channel: str) -> None:
    """Every message from Redis to every socket."""
    connections: set[ServerConnection] = set()

    async def handle(connection: ServerConnection) -> None:
        connections.add(connection)
        try:
            await connection.wait_closed()
        finally:
            connections.discard(connection)

    async with serve(handle, "127.0.0.1", port, compression=None, backlog=4096), Redis.from_url(url).pubsub() as feed:
        await feed.subscribe(channel)
        async for message in feed.listen():
            if message["type"] == "message":
                broadcast(connections, message["data"].decode())


uvloop.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
