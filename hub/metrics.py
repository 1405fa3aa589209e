"""What a node counts, as Prometheus reads it. Nothing here runs before somebody asks; docs/operations.md lists all."""

from collections.abc import Iterator
from typing import Final

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from core.runtime import Runtime
from hub.joined_writes import bytes_written
from hub.latency import BUCKETS, Latency
from hub.node import Node

_CAUSES: Final = ("message", "heads", "reconnect")
_MODES: Final = ("live", "resume", "snapshot")


class NodeMetrics(Collector):
    """One a node. Every sample says of which process it is: several may share a port."""

    def __init__(self, runtime: Runtime, node: Node) -> None:
        """Reads both when it is asked."""
        self._runtime = runtime
        self._node = node

    def collect(self) -> Iterator[Metric]:
        """All families, as they are now."""
        yield from self._sockets()
        yield from self._channels()
        yield from self._presence()
        yield from self._healing()
        yield self._commands()
        yield self._latency(self._node.relay.latency)
        yield from self._redis()

    def _gauge(self, name: str, text: str, value: float) -> Metric:
        family = GaugeMetricFamily(name, text, labels=["node"])
        family.add_metric([self._runtime.name], value)
        return family

    def _counter(self, name: str, text: str, value: float) -> Metric:
        family = CounterMetricFamily(name, text, labels=["node"])
        family.add_metric([self._runtime.name], value)
        return family

    def _sockets(self) -> Iterator[Metric]:
        node = self._node
        yield self._gauge("carebell_sockets", "Open sockets.", len(node.sessions))
        yield self._counter("carebell_sockets_opened", "Sockets that were opened.", node.opened)
        yield self._gauge("carebell_event_streams", "Open boards by Server-Sent Events.", len(node.screens))
        yield self._gauge("carebell_users", "Users with a signed-in socket.", node.users)
        yield self._gauge("carebell_draining", "1 while sockets are asked to leave.", node.is_draining)
        yield self._counter("carebell_socket_bytes", "Bytes of frames written to sockets.", bytes_written())
        text = "The most bytes that one socket has left unread in our memory, where it was more than 64 KiB."
        yield self._gauge("carebell_socket_queue_high_water_bytes", text, node.queue_high_water)

    def _channels(self) -> Iterator[Metric]:
        relay = self._node.relay
        yield self._gauge("carebell_channels", "Channels that are served.", len(relay.channels))
        yield self._counter("carebell_events", "Events that channels took up.", relay.events)
        text = "Events of boards that slow sockets were spared, because a newer one told all."
        yield self._counter("carebell_events_conflated", text, self._node.conflated)
        yield self._counter("carebell_deliveries", "Events and signals given to a socket.", relay.deliveries)
        modes = CounterMetricFamily("carebell_subscriptions", "Subscriptions by mode.", labels=["node", "mode"])
        for mode in _MODES:
            modes.add_metric([self._runtime.name, mode], self._node.subscriptions.by_mode[mode])
        yield modes

    def _presence(self) -> Iterator[Metric]:
        presence = self._node.presence
        yield self._gauge("carebell_present_people", "People shown as there, once for each thread.", presence.people)
        yield self._gauge("carebell_present_screens", "Sockets and streams that show a board.", presence.screens)
        yield self._gauge("carebell_presence_nodes", "Nodes that this one knows of, itself included.", presence.nodes)
        text = "Changes of who is there that were published."
        yield self._counter("carebell_presence_changes", text, presence.published)

    def _healing(self) -> Iterator[Metric]:
        relay = self._node.relay
        text = "Gaps in channels that were filled from Postgres, by what told of them."
        gaps = CounterMetricFamily("carebell_gaps_healed", text, labels=["node", "cause"])
        for cause in _CAUSES:
            gaps.add_metric([self._runtime.name, cause], relay.healed_gaps[cause])
        yield gaps
        yield self._counter("carebell_events_healed", "Events read from Postgres to fill gaps.", relay.healed_events)
        text = "Channels whose clients had to ask for the whole state."
        yield self._counter("carebell_channels_restarted", text, relay.restarts)

    def _commands(self) -> Metric:
        labels = ["node", "command", "outcome"]
        family = CounterMetricFamily("carebell_commands", "Commands of sockets, by their answer.", labels=labels)
        for (command, outcome), times in sorted(self._node.commands.outcomes.items(), key=str):
            family.add_metric([self._runtime.name, command.__name__.lower(), outcome], times)
        return family

    def _latency(self, latency: Latency) -> Metric:
        text = "From the beginning of the transaction that wrote an event to its sockets, once per event."
        family = HistogramMetricFamily("carebell_publish_to_socket_seconds", text, labels=["node"])
        buckets, sum_so_far = [], 0
        for bound, count in zip((*map(str, BUCKETS), "+Inf"), latency.counts, strict=True):
            sum_so_far += count
            buckets.append((bound, float(sum_so_far)))
        family.add_metric([self._runtime.name], buckets, sum_value=latency.seconds)
        return family

    def _redis(self) -> Iterator[Metric]:
        publisher = self._runtime.publisher
        family = GaugeMetricFamily("carebell_redis_up", "1 where Redis works.", labels=["node", "connection"])
        family.add_metric([self._runtime.name, "publisher"], publisher.is_healthy)
        family.add_metric([self._runtime.name, "subscriber"], self._node.relay.is_healthy)
        yield family
        mode = GaugeMetricFamily("carebell_redis_mode", "1, with what REDIS_URL names.", labels=["node", "mode"])
        mode.add_metric([self._runtime.name, self._runtime.settings.redis_mode], 1)
        yield mode
        yield self._gauge("carebell_redis_waiting", "Messages that wait to be published.", len(publisher.waiting))
