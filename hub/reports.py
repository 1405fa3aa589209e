"""A node reports itself, so that administrators see all nodes from any of them (docs/decisions/0017-hub-nodes.md)."""

import asyncio
import time

from sqlalchemy.exc import SQLAlchemyError

from core.actor import SYSTEM
from core.ids import new_id
from core.logging import get_logger
from core.runtime import Runtime
from domain.nodes.actions import NodeReport, report_node, retire_node
from hub.joined_writes import bytes_written
from hub.node import Node

log = get_logger(__name__)


class NodeReports:
    """One row a node, every ``hub_report_seconds``. A report that cannot be written is passed over."""

    def __init__(self, runtime: Runtime, node: Node) -> None:
        """Nothing runs before ``start``."""
        self._runtime = runtime
        self._node = node
        self._id = new_id()
        self._last = (time.monotonic(), 0, 0)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; call inside the running loop."""
        self._task = asyncio.create_task(self._run(), name="node-reports")

    async def close(self) -> None:
        """Report no more, and be listed no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            async with self._runtime.transactions.begin(SYSTEM) as unit:
                await retire_node(unit, self._id)
        except (SQLAlchemyError, OSError) as fault:
            log.warning("node_not_retired", fault=type(fault).__name__)

    async def _run(self) -> None:
        interval = self._runtime.settings.hub_report_seconds
        # Not before Redis could be reached: the first report would tell of a fault that there is not.
        await asyncio.sleep(min(1, interval))
        while True:
            try:
                async with self._runtime.transactions.begin(SYSTEM) as unit:
                    await report_node(unit, self._report())
            except (SQLAlchemyError, OSError) as fault:
                log.warning("node_not_reported", fault=type(fault).__name__)
            await asyncio.sleep(interval)

    def _report(self) -> NodeReport:
        node = self._node
        before, deliveries, written = self._last
        self._last = (time.monotonic(), node.relay.deliveries, bytes_written())
        seconds = max(self._last[0] - before, 0.001)
        return NodeReport(
            id=self._id,
            name=self._runtime.name,
            sockets=len(node.sessions),
            event_streams=len(node.screens),
            users=node.users,
            channels=len(node.relay.channels),
            deliveries=self._last[1],
            deliveries_per_second=(self._last[1] - deliveries) / seconds,
            bytes_per_second=(self._last[2] - written) / seconds,
            is_connected=node.relay.is_healthy,
            is_draining=node.is_draining,
        )
