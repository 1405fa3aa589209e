"""``/metrics``, for Prometheus: what the parts of this process count, put into its text format when it asks."""

from collections import Counter
from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from fastapi import APIRouter, Request, Response
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from api.deps import OptionalActor
from api.schema_docs import problems
from core.access import ADMINISTRATORS
from core.errors import Authentication
from core.runtime import Runtime
from domain.nodes.policy import check_may_operate

Requests = Counter[tuple[str, str, int]]
"""Requests by method, template of the route and status."""

_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


class HttpMetrics(Collector):
    """The requests of this process."""

    def __init__(self, requests: Requests, process: str) -> None:
        """``requests`` is counted elsewhere; ``process`` is the ``node`` of each sample."""
        self._requests = requests
        self._process = process

    def collect(self) -> Iterator[Metric]:
        """The one family."""
        text = "Requests, by the template of their route."
        labels = ["node", "method", "route", "status"]
        family = CounterMetricFamily("carebell_http_requests", text, labels=labels)
        for (method, route, status), times in sorted(self._requests.items()):
            family.add_metric([self._process, method, route, str(status)], times)
        yield family


class _All(Collector):
    def __init__(self, parts: Iterable[Collector]) -> None:
        self._parts = tuple(parts)

    def collect(self) -> Iterator[Metric]:
        for part in self._parts:
            yield from part.collect()


def metrics_router(runtime: Runtime, parts: Iterable[Collector]) -> APIRouter:
    """The route, for what those parts collect."""
    router = APIRouter(tags=["health"])
    collector = _All(parts)

    @router.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}, "description": "Text format 0.0.4."}, **problems(401, 403)},
        openapi_extra=ADMINISTRATORS.label,
    )
    async def metrics(request: Request, actor: OptionalActor) -> Response:
        """What this process counts, in Prometheus' text format.

        For administrators, by their token or a key with ``metrics:read``; with METRICS_PUBLIC also for whoever asks
        from this machine.
        """
        if not (runtime.settings.metrics_public and _is_from_here(request)):
            if actor.user_id is None:
                raise Authentication
            check_may_operate(actor)
        return Response(generate_latest(collector), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    return router


def _is_from_here(request: Request) -> bool:
    """From this machine, and not for somebody else: a proxy that says so is no neighbour."""
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        return ip_address(request.client.host).is_loopback
    except ValueError:
        return False
