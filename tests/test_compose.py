"""docker-compose.yml and the Dockerfile: valid, in step with the code, and the same commands run for real."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import httpx
import pytest
from jsonschema import Draft202012Validator, validators
from pydantic import SecretStr
from sqlalchemy import select

from core.actor import Role
from core.settings import Settings
from hub import node
from models import Delivery, LocalMessage
from ops.web import create_app
from tests.builders import Clinic, create_clinic
from tests.conftest import Servers
from tests.conftest import running as running_runtime
from tests.people import create_person
from tests.support.compose import Service, interpolate, read_compose, running
from tests.support.web import ROOT, eventually, open_socket

OURS = ("migrate", "api", "hub-1", "hub-2", "worker", "beat")
ONE_SHOT = {"migrate"}
SECRET = "a-secret-of-this-test-and-of-no-other-place"
VARIABLES = {
    "SECRET_KEY": SECRET,
    "POSTGRES_PASSWORD": "letters0and1digits",
    "MAIL_PROVIDER": "local",
    "SMS_PROVIDER": "local",
}
HUB_PATHS = (
    "/api/v1/ws",
    "/api/v1/chat/ws/chat/01890000-0000-7000-8000-000000000000",
    "/api/v1/notifications/ws",
    "/api/v1/queue/ws/01890000-0000-7000-8000-000000000000",
)


@pytest.fixture
def compose() -> dict[str, Any]:
    """The file, with its variables put in."""
    return read_compose(VARIABLES)


def test_it_is_valid_by_the_compose_specification(compose: dict[str, Any]) -> None:
    schema = json.loads(files("check_jsonschema").joinpath("builtin_schemas/vendor/compose-spec.json").read_text())
    validator = validators.validator_for(schema, default=Draft202012Validator)(schema)
    assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(compose)] == []
    compose["services"]["api"]["comand"] = "a word that is not in the specification"
    assert not validator.is_valid(compose)


@pytest.mark.parametrize("name", ["SECRET_KEY", "POSTGRES_PASSWORD"])
def test_secrets_have_no_default(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        read_compose({**VARIABLES, name: ""})


def test_every_service_that_goes_on_says_whether_it_is_well(compose: dict[str, Any]) -> None:
    without = {name for name, service in compose["services"].items() if "healthcheck" not in service}
    assert without == ONE_SHOT


def test_who_is_waited_for_exists_and_can_fulfil_the_condition(compose: dict[str, Any]) -> None:
    waits = [
        (other, wait["condition"])
        for service in compose["services"].values()
        for other, wait in service.get("depends_on", {}).items()
    ]
    assert len(waits) > 8
    for other, condition in waits:
        expected = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
        assert condition == expected, other


def test_every_name_in_an_environment_is_a_setting(compose: dict[str, Any]) -> None:
    known = {name.upper() for name in Settings.model_fields}
    for name in OURS:
        environment = compose["services"][name]["environment"]
        assert {"ENVIRONMENT", "DATABASE_URL", "REDIS_URL", "SECRET_KEY"} <= environment.keys()
        assert environment.keys() <= known, name
    roles = {name: compose["services"][name]["environment"].get("WEB_PROCESS_ROLE") for name in OURS}
    assert (roles["api"], roles["hub-1"], roles["hub-2"]) == ("api", "hub", "hub")


def test_a_web_process_has_the_time_to_say_goodbye(compose: dict[str, Any]) -> None:
    grace = int(compose["services"]["hub-1"]["stop_grace_period"].removesuffix("s"))
    assert grace > Settings.model_fields["hub_drain_seconds"].default + 10


# --- the proxy ---


def hub_location(compose: dict[str, Any]) -> tuple[re.Pattern[str], str]:
    """The regular expression of the location that goes to the hubs, and what is in it."""
    found = re.search(r"location ~ (\S+) \{(.*?)\}", compose["configs"]["proxy"]["content"], re.DOTALL)
    assert found
    return re.compile(found[1]), found[2]


def test_the_proxy_brings_every_socket_to_the_hubs(compose: dict[str, Any]) -> None:
    pattern, block = hub_location(compose)
    for path in HUB_PATHS:
        assert pattern.search(path), path
    assert "proxy_pass http://hubs;" in block
    # The list above is whole: every pattern of the hub is in it once.
    served = [known for known, _kind in node._PATHS]
    assert [sum(1 for path in HUB_PATHS if known.fullmatch(path)) for known in served] == [1] * len(HUB_PATHS)


def test_the_proxy_brings_to_each_what_it_alone_serves(compose: dict[str, Any], settings: Settings) -> None:
    pattern, _ = hub_location(compose)
    api, hub = paths_of(settings, "api"), paths_of(settings, "hub")
    assert len(api - hub) > 20
    assert {path for path in {*(api - hub), "/", "/board/x", "/api/v1/wsx"} if pattern.search(path)} == set()
    assert {path for path in hub - api if not pattern.search(path)} == set()
    assert "location / { proxy_pass http://api; }" in compose["configs"]["proxy"]["content"]


def paths_of(settings: Settings, role: str) -> set[str]:
    """What a web process of that role serves over HTTP."""
    return set(create_app(settings.model_copy(update={"web_process_role": role})).openapi()["paths"])


def test_the_proxy_knows_every_web_service(compose: dict[str, Any]) -> None:
    content = compose["configs"]["proxy"]["content"]
    servers = set(re.findall(r"server ([\w-]+):8000;", content))
    assert servers == {"api", "hub-1", "hub-2"} == set(compose["services"]["proxy"]["depends_on"])


def test_the_proxy_says_to_everybody_who_is_asking(compose: dict[str, Any]) -> None:
    content = compose["configs"]["proxy"]["content"]
    server = re.sub(r"#.*", "", content[content.index("server {") :])
    for_all = set(re.findall(r"proxy_set_header (\S+)", re.sub(r"location .*?\{.*?\}", "", server, flags=re.DOTALL)))
    assert for_all == {"Host", "X-Forwarded-For", "X-Forwarded-Proto", "Upgrade", "Connection"}
    assert "Upgrade $http_upgrade" in server
    for block in re.findall(r"location .*?\{(.*?)\}", server, re.DOTALL):
        # nginx: "inherited from the previous level if and only if there are no proxy_set_header directives defined".
        own = set(re.findall(r"proxy_set_header (\S+)", block))
        assert own == set() or for_all <= own, block


def test_what_opens_a_ticket_is_not_in_the_log_of_the_proxy(compose: dict[str, Any]) -> None:
    content = compose["configs"]["proxy"]["content"]
    assert "$uri" not in re.search(r"log_format .*", content)[0]  # type: ignore[index]
    pattern, instead = re.search(r"map \$uri \$logged \{ ~(\S+) (\S+); default \$uri; \}", content).groups()  # type: ignore[union-attr]
    assert re.match(pattern, "/ticket/abc-DEF_12")
    assert re.match(pattern, "/api/v1/queue/tickets/abc-DEF_12")
    assert not re.match(pattern, "/api/v1/queue/tickets")
    assert "/" in instead


# --- the image ---


def instructions() -> Iterator[tuple[str, list[str]]]:
    """The Dockerfile, one instruction after another."""
    for line in (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines():
        name, _, rest = line.partition(" ")
        if name.isupper():
            yield name, shlex.split(rest)


def copied() -> list[str]:
    """What the Dockerfile copies out of the checkout."""
    copies = [words for name, words in instructions() if name == "COPY"]
    return [source for words in copies if not words[0].startswith("--from") for source in words[:-1]]


def test_everything_that_the_image_copies_is_there() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    assert len(copied()) > 10
    for source in copied():
        assert (ROOT / source).exists(), source
        assert source.rstrip("/") not in ignored


def test_every_package_of_the_product_is_in_the_image() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(project["tool"]["importlinter"]["root_packages"]) <= set(copied())


def test_the_image_runs_as_nobody_in_particular() -> None:
    users = [words[0] for name, words in instructions() if name == "USER"]
    assert users
    assert users[-1] not in {"root", "0"}
    last = max(index for index, (name, _) in enumerate(instructions()) if name == "USER")
    assert [name for name, _ in list(instructions())[last:]] == ["USER", "EXPOSE", "CMD"]


def test_variables_are_put_in_as_compose_does() -> None:
    assert interpolate("$$a ${B} ${C:-c} ${D:-}", {"B": "b"}) == "$a b c "
    assert interpolate("${C:-c}", {"C": "given"}) == "given"


# --- the same commands as plain processes ---


@pytest.fixture
async def stack(servers: Servers, compose: dict[str, Any], tmp_path: Path) -> dict[str, Service]:
    """The product's services, with the servers of this test run in place of the containers."""
    name = f"test_{uuid4().hex[:12]}"
    connection = await asyncpg.connect(servers.database_url)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    # A Redis database of its own: other tests have workers and tasks as well.
    here = {
        "DATABASE_URL": f"{servers.database_url.rsplit('/', 1)[0]}/{name}",
        "REDIS_URL": urlsplit(servers.redis_url)._replace(path="/9").geturl(),
        "HUB_DRAIN_SECONDS": "0",
    }
    for service in OURS:
        compose["services"][service]["environment"] |= here
    return {service: Service.of(compose, service, tmp_path) for service in OURS}


async def healthy(service: Service) -> None:
    """Wait until the file's own healthcheck says so."""
    await eventually(service.is_healthy, 60)


@pytest.fixture
async def settings_of_stack(stack: dict[str, Service]) -> Settings:
    """The settings that the processes read."""
    given = stack["api"].environment()
    return Settings(
        _env_file=None,
        secret_key=SecretStr(SECRET),
        database_url=SecretStr(given["DATABASE_URL"]),
        redis_url=SecretStr(given["REDIS_URL"]),
    )


async def test_the_commands_of_the_file_are_the_product(stack: dict[str, Service], settings_of_stack: Settings) -> None:
    assert await stack["migrate"].run_to_end() == 0, stack["migrate"].log.read_text()
    api, *hubs = web = [stack["api"], stack["hub-1"], stack["hub-2"]]
    async with (
        running([*web, stack["worker"], stack["beat"]], healthy),
        running_runtime(settings_of_stack) as runtime,
        httpx.AsyncClient() as client,
    ):
        for service in web:
            readiness = (await client.get(f"{service.url}/readyz")).json()
            assert readiness["status"] == "ready", (service.name, readiness)
            assert ("relay" in readiness["parts"]) == (service in hubs)
        assert (await client.get(f"{hubs[0].url}/api/v1/users/me")).status_code == 404
        clinic = await create_clinic(runtime)
        staff = await create_person(runtime, Role.STAFF, clinic_ids=(clinic.clinic_id,))
        client.headers.update(staff.bearer)
        await _call_reaches_both(client, api, hubs, clinic)
        body = await eventually_sent(runtime)
        assert "A-001" in body


async def _call_reaches_both(client: httpx.AsyncClient, api: Service, hubs: list[Service], clinic: Clinic) -> None:
    board, base = f"board:{clinic.queue_id}", f"{api.url}/api/v1/queue"
    ticket = {"queue_id": str(clinic.queue_id), "phone": "+12025550143"}
    (await client.post(f"{base}/tickets", json=ticket)).raise_for_status()
    async with open_socket(hubs[0].url) as one, open_socket(hubs[1].url) as other:
        for socket in (one, other):
            assert (await socket.subscribe(board))["mode"] == "snapshot"
        wanted = {"queue_id": str(clinic.queue_id), "counter_id": str(clinic.counter_ids[0])}
        code = (await client.post(f"{base}/call-next", json=wanted)).raise_for_status().json()["code"]
        for socket in (one, other):
            called = await socket.until(type="event", channel=board, name="ticket.upserted")
            assert (called["data"]["ticket"]["code"], called["data"]["ticket"]["status"]) == (code, "called")


async def eventually_sent(runtime: Any) -> str:
    """The one text message that the worker has sent; its body."""
    bodies: list[str] = []

    async def is_sent() -> bool:
        async with runtime.database.session() as session:
            rows = await session.scalars(
                select(LocalMessage.body).join(Delivery, Delivery.id == LocalMessage.delivery_id)
            )
            bodies[:] = list(rows)
        return bool(bodies)

    await eventually(is_sent)
    assert len(bodies) == 1
    return bodies[0]
