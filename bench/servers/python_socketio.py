"""python-socketio with its Redis manager: ``python_socketio.py PORT REDIS_URL CHANNEL``."""

import sys

import socketio
import uvicorn

manager = socketio.AsyncRedisManager(sys.argv[2], channel=sys.argv[3])
server = socketio.AsyncServer(async_mode="asgi", client_manager=manager, http_compression=False)
app = socketio.ASGIApp(server)

uvicorn.run(
    app,
    host="127.0.0.1",
    port=int(sys.argv[1]),
    log_level="warning",
    access_log=False,
    backlog=4096,
    ws_per_message_deflate=False,
)
