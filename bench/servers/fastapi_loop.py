"""What tutorials do: a FastAPI route, and ``send_text`` in a loop: ``fastapi_loop.py PORT REDIS_URL CHANNEL``.

``/list`` answers with the bytes of the file that LIST_FILE names: the bare route of the REST benchmark.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Response, WebSocket, WebSocketDisconnect
from redis.asyncio import Redis

PORT, URL, CHANNEL = int(sys.argv[1]), sys.argv[2], sys.argv[3]
LIST = Path(os.environ["LIST_FILE"]).read_bytes() if "LIST_FILE" in os.environ else b"[]"
connections: set[WebSocket] = set()


async def relay() -> None:
    """Every message from Redis to every socket, one after another."""
    async with Redis.from_url(URL).pubsub() as feed:
        await feed.subscribe(CHANNEL)
        async for message in feed.listen():
            if message["type"] == "message":
                text = message["data"].decode()
                for connection in list(connections):
                    await connection.send_text(text)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """The relay runs as long as the server."""
    task = asyncio.create_task(relay())
    yield
    task.cancel()


app = FastAPI(lifespan=lifespan)


@app.websocket("/")
async def socket(connection: WebSocket) -> None:
    """Join, and read until the client goes."""
    await connection.accept()
    connections.add(connection)
    try:
        while True:
            await connection.receive_text()
    except WebSocketDisconnect:
        connections.discard(connection)


@app.get("/list")
async def rows() -> Response:
    """The bytes that the other server makes from rows."""
    return Response(LIST, media_type="application/json")


uvicorn.run(
    app, host="127.0.0.1", port=PORT, log_level="warning", access_log=False, backlog=4096, ws_per_message_deflate=False
)
