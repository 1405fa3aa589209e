"""/metrics: exports what docs/operations.md says, moves when something happens, and is not for everybody."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from core.actor import Role
from core.runtime import Runtime
from core.settings import Settings
from domain.identity.scopes import METRICS
from hub.latency import BUCKETS
from tests.builders import create_clinic, take_ticket
from tests.people import Person, create_person
from tests.support.web import ROOT, WebProcess, open_socket, web_process

ROW: Final = re.compile(r"^\| `(carebell_\w+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)

Values = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(scope="module")
async def web(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WebProcess]:
    """A process that keeps its figures to administrators."""
    async with web_process(settings, tmp_path_factory.mktemp("metrics")) as running:
        yield running


@pytest.fixture(scope="module")
async def admin(runtime: Runtime) -> Person:
    """Who may read them."""
    return await create_person(runtime, Role.ADMIN)


async def scrape(web: WebProcess, admin: Person) -> str:
    """The text, as Prometheus gets it."""
    async with httpx.AsyncClient(base_url=web.url, headers=admin.bearer) as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return answer.text


def values_of(text: str) -> Values:
    """Every sample by its name and labels, without the process."""
    return {
        (sample.name, frozenset(item for item in sample.labels.items() if item[0] != "node")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of(values: Values, name: str, **labels: str) -> float:
    """One value; 0 for what has not happened yet."""
    return values.get((name, frozenset(labels.items())), 0.0)


async def test_names_types_and_labels_are_those_of_the_page(web: WebProcess, admin: Person) -> None:
    async with open_socket(web.url) as socket:
        assert (await socket.subscribe("board:none"))["error_code"]
    text = await scrape(web, admin)
    exported = {}
    for family in text_string_to_metric_families(text):
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = {label for sample in family.samples for label in sample.labels} - {"node", "le"}
        assert {sample.labels["node"].partition(":")[2] for sample in family.samples} == {str(web.process.pid)}
        exported[name] = (family.type, " ".join(sorted(labels)))
    page = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    documented = {name: (kind, labels.replace("`", "").strip()) for name, kind, labels in ROW.findall(page)}
    assert exported == documented


async def test_a_call_at_a_board_moves_the_figures(runtime: Runtime, web: WebProcess, admin: Person) -> None:
    clinic = await create_clinic(runtime)
    staff = await create_person(runtime, Role.STAFF, clinic_ids=(clinic.clinic_id,))
    await take_ticket(runtime, clinic.queue_id)
    channel = f"board:{clinic.queue_id}"
    patient = await create_person(runtime)
    async with open_socket(web.url) as one, open_socket(web.url, patient.access_token) as other:
        before = values_of(await scrape(web, admin))
        await one.subscribe(channel)
        await other.subscribe(channel)
        async with httpx.AsyncClient(base_url=web.url, headers=staff.bearer) as client:
            body = {"queue_id": str(clinic.queue_id), "counter_id": str(clinic.counter_ids[0])}
            (await client.post("/api/v1/queue/call-next", json=body)).raise_for_status()
        for screen in (one, other):
            await screen.until(type="event", name="ticket.upserted")
        after = values_of(await scrape(web, admin))
    labels = {"method": "POST", "route": "/api/v1/queue/call-next", "status": "200"}
    moved = {
        name: of(after, name, **kept) - of(before, name, **kept)
        for name, kept in (
            ("carebell_channels", {}),
            ("carebell_events_total", {}),
            ("carebell_deliveries_total", {}),
            ("carebell_subscriptions_total", {"mode": "snapshot"}),
            ("carebell_commands_total", {"command": "subscribe", "outcome": "ok"}),
            ("carebell_publish_to_socket_seconds_count", {}),
            ("carebell_http_requests_total", labels),
        )
    }
    assert moved == {
        "carebell_channels": 1,
        "carebell_events_total": 1,
        "carebell_deliveries_total": 2,
        "carebell_subscriptions_total": 2,
        "carebell_commands_total": 2,
        "carebell_publish_to_socket_seconds_count": 1,
        "carebell_http_requests_total": 1,
    }
    assert of(after, "carebell_sockets") == 2
    assert of(after, "carebell_users") == 1
    assert of(after, "carebell_socket_bytes_total") - of(before, "carebell_socket_bytes_total") > 500
    assert of(after, "carebell_publish_to_socket_seconds_bucket", le=str(BUCKETS[-1])) >= 1
    assert of(after, "carebell_redis_up", connection="publisher") == 1
    assert of(after, "carebell_redis_up", connection="subscriber") == 1


async def test_a_lost_message_is_counted_as_a_gap_that_was_healed(
    settings: Settings, runtime: Runtime, web: WebProcess, admin: Person
) -> None:
    clinic = await create_clinic(runtime)
    async with open_socket(web.url) as screen:
        await screen.subscribe(f"board:{clinic.queue_id}")
        before = values_of(await scrape(web, admin))
        # Committed, and never published: this transaction's publisher is not running.
        lost = Runtime(settings, runtime.transactions.tasks)
        await take_ticket(lost, clinic.queue_id)
        await lost.database.close()
        await screen.until(type="event", name="ticket.upserted")
        after = values_of(await scrape(web, admin))
    for name, labels in (("carebell_gaps_healed_total", {"cause": "heads"}), ("carebell_events_healed_total", {})):
        assert of(after, name, **labels) - of(before, name, **labels) == 1


async def test_a_key_of_an_administrator_reads_them_and_nothing_else(web: WebProcess, admin: Person) -> None:
    async with httpx.AsyncClient(base_url=web.url) as client:
        wanted = {"name": "Prometheus", "scopes": [METRICS], "expires_in_days": 1}
        made = await client.post("/api/v1/api-keys", json=wanted, headers=admin.bearer)
        assert made.status_code == 201, made.text
        key = {"Authorization": f"Bearer {made.json()['key']}"}
        assert (await client.get("/metrics", headers=key)).status_code == 200
        assert (await client.get("/api/v1/hub/nodes", headers=key)).status_code == 403
        other = await client.post("/api/v1/api-keys", json={**wanted, "scopes": ["chat:read"]}, headers=admin.bearer)
        refused = await client.get("/metrics", headers={"Authorization": f"Bearer {other.json()['key']}"})
        assert refused.status_code == 403


async def test_with_metrics_public_this_machine_reads_them_without_credentials(
    settings: Settings, web: WebProcess, tmp_path: Path
) -> None:
    async with httpx.AsyncClient(base_url=web.url) as client:
        assert (await client.get("/metrics")).status_code == 401
    async with (
        web_process(settings, tmp_path, metrics_public=True) as public,
        httpx.AsyncClient(base_url=public.url) as client,
    ):
        assert (await client.get("/metrics")).status_code == 200
        assert (await client.get("/metrics", headers={"X-Forwarded-For": "203.0.113.7"})).status_code == 401
