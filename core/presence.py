"""Who is where, as each hub node has it: in Redis, under the node's name, and gone soon after the node.

Two kinds of keys, each used by itself, so that a cluster may keep them apart: one hash a node, of the channels in which
somebody is there (``thread:…`` to a JSON object, who to how many), and one hash of all nodes, each with a mark that it
changes as long as it lives. Nothing here is the truth: what Redis loses, the nodes write again.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from core.errors import Unavailable
from core.redis import FAULTS, PREFIX, connect, disconnect

Counts: TypeAlias = Mapping[str, int]
"""Who is there, each with how often; nobody is in it with 0."""

_NODES: Final = f"{PREFIX}presence:nodes"
_PATIENCE_SECONDS: Final = 2.0
_FIELDS_AT_ONCE: Final = 1_000

_counts: msgspec.json.Decoder[dict[str, int]] = msgspec.json.Decoder(dict[str, int])


class Roll(NamedTuple):
    """What a node finds when it looks: is its own part still there, and the marks of all nodes."""

    is_whole: bool
    marks: dict[str, str]


def encode_counts(counts: Counts) -> bytes:
    """As they are kept, and as nodes tell each other of them."""
    return msgspec.json.encode(counts)


def decode_counts(payload: bytes) -> dict[str, int]:
    """The opposite."""
    return _counts.decode(payload)


class PresenceStore:
    """A process has one. Every method raises ``Unavailable`` while Redis cannot be asked."""

    def __init__(self, url: str, ttl_seconds: float) -> None:
        """``url`` as ``RedisAddress`` reads it; what a node wrote outlives its last sign by ``ttl_seconds``."""
        self._client = connect(url)
        self._ttl = int(ttl_seconds * 1000)

    async def look(self, node: str) -> Roll:
        """Keep that node's hash for another while, and see who else is there. One round trip."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.pexpire(_of(node), self._ttl)
        pipeline.hgetall(_NODES)
        async with _patience():
            was_there, marks = await pipeline.execute()
        known = {name.decode(): mark.decode() for name, mark in marks.items()}
        return Roll(bool(was_there) and node in known, known)

    async def sign(self, node: str, mark: str) -> None:
        """A sign of life: a mark that is not the last one."""
        async with _patience():
            await self._client.hset(_NODES, node, mark)

    async def write(self, node: str, changes: Mapping[str, Counts]) -> None:
        """Keep what changed in those channels; nobody there is no field."""
        kept: dict[Any, Any] = {name: encode_counts(counts) for name, counts in changes.items() if counts}
        gone = [name for name, counts in changes.items() if not counts]
        pipeline = self._client.pipeline(transaction=False)
        if kept:
            pipeline.hset(_of(node), mapping=kept)
        if gone:
            pipeline.hdel(_of(node), *gone)
        pipeline.pexpire(_of(node), self._ttl)
        async with _patience():
            await pipeline.execute()

    async def read(self, nodes: Collection[str], channels: Collection[str]) -> dict[str, dict[str, dict[str, int]]]:
        """What each of those nodes has in those channels: by node, then by channel; nobody there is left out."""
        names = list(channels)
        portions = [names[start : start + _FIELDS_AT_ONCE] for start in range(0, len(names), _FIELDS_AT_ONCE)]
        asked = [(node, portion) for node in nodes for portion in portions]
        found: dict[str, dict[str, dict[str, int]]] = {node: {} for node in nodes}
        if not asked:
            return found
        pipeline = self._client.pipeline(transaction=False)
        for node, portion in asked:
            pipeline.hmget(_of(node), portion)
        async with _patience():
            answers = await pipeline.execute()
        for (node, portion), values in zip(asked, answers, strict=True):
            found[node] |= {name: decode_counts(value) for name, value in zip(portion, values, strict=True) if value}
        return found

    async def totals(self, channels: Collection[str]) -> dict[str, Counter[str]]:
        """What all nodes together have in each of those channels. For processes that are no nodes themselves."""
        async with _patience():
            names: list[Any] = await self._client.hkeys(_NODES)
        nodes = [name.decode() for name in names]
        sums = {name: Counter[str]() for name in channels}
        for of_node in (await self.read(nodes, channels)).values():
            for name, counts in of_node.items():
                sums[name].update(counts)
        return sums

    async def drop(self, node: str) -> None:
        """That node is no more, or was silent for so long that it may be. One that lives after all signs again."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.hdel(_NODES, node)
        pipeline.delete(_of(node))
        async with _patience():
            await pipeline.execute()

    async def close(self) -> None:
        """Disconnect."""
        await disconnect(self._client)


def _of(node: str) -> str:
    return f"{PREFIX}presence:node:{node}"


@asynccontextmanager
async def _patience() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            yield
    except FAULTS as fault:
        raise Unavailable(retry_after=2) from fault
