"""What every process of ours holds once: settings, the database, the publisher, the limits and the transactions."""

import os
import socket

from core.database import Database
from core.presence import PresenceStore
from core.rate_limits import RateLimits
from core.redis import Publisher
from core.settings import Settings
from core.tasks import TaskSender
from core.unit_of_work import Transactions


class Runtime:
    """Made at the start of a process, inside its event loop; closed at its end."""

    def __init__(self, settings: Settings, tasks: TaskSender) -> None:
        """Connects to nothing yet."""
        self.settings = settings
        # Of this process, for administrators and metrics.
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.database = Database(settings)
        self.publisher = Publisher(settings.redis_url.get_secret_value())
        self.presence = PresenceStore(settings.redis_url.get_secret_value(), settings.hub_presence_ttl_seconds)
        self.rate_limits = RateLimits(settings.redis_url.get_secret_value())
        self.transactions = Transactions(self.database, self.publisher, tasks)

    def start(self) -> None:
        """Begin publishing, and watching the database; call inside the running loop."""
        self.database.start()
        self.publisher.start()

    async def close(self) -> None:
        """Send what is queued and disconnect."""
        await self.publisher.close()
        await self.presence.close()
        await self.rate_limits.close()
        await self.database.close()
