"""Django Channels with the pub/sub layer of channels_redis: ``django_channels.py PORT REDIS_URL GROUP``."""

import sys
from typing import Any

import django
import uvicorn
from django.conf import settings

PORT, URL, GROUP = int(sys.argv[1]), sys.argv[2], sys.argv[3]
LAYER = {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [URL], "capacity": 10_000}}
settings.configure(INSTALLED_APPS=["channels"], CHANNEL_LAYERS={"default": LAYER}, ALLOWED_HOSTS=[])
django.setup()

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402 - needs the settings


class Screen(AsyncWebsocketConsumer):
    """Every message of the group to its socket."""

    async def connect(self) -> None:
        """Join the group, then accept."""
        await self.channel_layer.group_add(GROUP, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        """Leave the group."""
        await self.channel_layer.group_discard(GROUP, self.channel_name)

    async def bench_message(self, event: dict[str, Any]) -> None:
        """Send it on."""
        await self.send(text_data=event["text"])


uvicorn.run(
    Screen.as_asgi(),
    host="127.0.0.1",
    port=PORT,
    log_level="warning",
    access_log=False,
    lifespan="off",
    backlog=4096,
    ws_per_message_deflate=False,
)
