"""A web process: REST, pages and sockets on one port, by uvicorn.

The one place where api, hub and workers' client meet; none of them knows the others.
"""

import argparse
import asyncio
import contextlib
import gc
import socket
from collections.abc import AsyncIterator
from typing import Any, Final

import uvicorn
from fastapi import FastAPI

import domain.wiring  # noqa: F401 - rooms react to each other's events
from api.app import create_app as create_api
from api.metrics import HttpMetrics, metrics_router
from core.logging import configure_logging
from core.runtime import Runtime
from core.settings import Settings, get_settings
from hub.asyncapi_routes import asyncapi_router
from hub.metrics import NodeMetrics
from hub.node import Node
from hub.reports import NodeReports
from hub.sse import event_stream_router
from hub.transport import SocketProtocol
from workers.client import CeleryTasks
from workers.teller import Teller

_BACKLOG: Final = 4096
_COLLECT_AFTER: Final = (20_000, 20, 100)
"""Objects more than before, and how many collections of the young before one of the older (``gc.set_threshold``)."""


def create_app(settings: Settings, node_of: list[Node] | None = None) -> FastAPI:
    """The application of one web process; the hub's node is put into ``node_of`` once it runs."""
    tasks = CeleryTasks(settings)
    teller = Teller(tasks)
    runtime = Runtime(settings, teller)
    node = Node(runtime) if settings.web_process_role != "api" else None
    reports = NodeReports(runtime, node) if node is not None else None

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        runtime.start()
        tasks.start()
        teller.start(runtime)
        if node is not None and reports is not None:
            node.start()
            reports.start()
            if node_of is not None:
                node_of.append(node)
        yield {"hub": node}
        if node is not None and reports is not None:
            await reports.close()
            await node.close()
        await teller.close()
        await runtime.close()
        await asyncio.to_thread(tasks.close)

    app = create_api(
        runtime,
        lifespan=lifespan,
        extra_readiness=node.readiness if node is not None else dict,
        with_rooms=settings.web_process_role != "hub",
    )
    app.include_router(asyncapi_router(settings.public_url))
    counting = [HttpMetrics(app.state.requests, runtime.name), *([NodeMetrics(runtime, node)] if node else [])]
    app.include_router(metrics_router(runtime, counting))
    if node is not None:
        app.include_router(event_stream_router(runtime, node))
    return app


class WebServer(uvicorn.Server):
    """Says goodbye to sockets before uvicorn closes them all at once."""

    def __init__(self, config: uvicorn.Config, nodes: list[Node]) -> None:
        """``nodes`` holds the hub's node once the application has started."""
        super().__init__(config)
        self._nodes = nodes

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Readiness fails and sockets leave one by one, while requests are still served; a second Ctrl-C hurries."""
        for node in self._nodes:
            draining = asyncio.create_task(node.drain(), name="drain")
            while not draining.done() and not self.force_exit:
                await asyncio.wait([draining], timeout=0.1)
            draining.cancel()
        await super().shutdown(sockets)


def main(arguments: list[str]) -> int:
    """``python -m ops web``: one web process, until a signal; returns 0."""
    settings = get_settings()
    parser = argparse.ArgumentParser(prog="python -m ops web", description="Serve REST, sockets and pages.")
    parser.add_argument("--host", default=settings.host, help="address to listen on (default: HOST)")
    parser.add_argument("--port", type=int, default=settings.port, help="port to listen on (default: PORT)")
    parser.add_argument("--share-port", action="store_true", help="let other web processes listen on the same port")
    chosen = parser.parse_args(arguments)
    serve(settings, chosen.host, chosen.port, share_port=chosen.share_port)
    return 0


def serve(settings: Settings, host: str, port: int, *, share_port: bool = False) -> None:
    """Run until a signal. With ``share_port`` the kernel spreads connections over all processes that share it."""
    configure_logging(settings)
    nodes: list[Node] = []
    config = uvicorn.Config(
        create_app(settings, nodes),
        host=host,
        port=port,
        ws=SocketProtocol,
        ws_max_size=settings.hub_max_frame_bytes,
        ws_per_message_deflate=False,
        ws_ping_interval=settings.hub_ping_seconds,
        ws_ping_timeout=settings.hub_ping_timeout_seconds,
        lifespan="on",
        backlog=_BACKLOG,
        access_log=False,
        server_header=False,
        log_config=None,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=10,
    )
    _collect_less()
    WebServer(config, nodes).run(sockets=[_shared_listener(host, port)] if share_port else None)


def _collect_less() -> None:
    """Look for cycles among less, and less often.

    Each socket is some thirty objects that live for hours. With Python's own numbers a process that ten thousand of
    them reach at once spends a sixth of its time looking at all of them again and again, in long pauses.
    """
    gc.collect()
    gc.freeze()  # modules, routes, statements: they stay as long as the process
    gc.set_threshold(*_COLLECT_AFTER)


def _shared_listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG, reuse_port=True)
