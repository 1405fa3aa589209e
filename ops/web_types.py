"""`python -m ops.web_types`: write the types of the web client from the classes that the product itself uses.

REST types come from the OpenAPI document, frames and the data of events from their msgspec classes. A test fails when
``web/client/schema.ts`` is not what this writes.
"""

import sys
from collections.abc import Iterable
from types import UnionType
from typing import Any, Final

import msgspec
from fastapi import FastAPI

import domain.wiring  # noqa: F401 - rooms react to each other's events
from api.app import create_app
from core.runtime import Runtime
from core.settings import Settings
from core.tasks import NoTasks
from domain.chat.events import ChatMessage, MessageAppended, ReceiptUpdated, ThreadUpdated
from domain.queueing.events import BoardTicket, TicketRemoved, TicketUpserted
from hub.frames import ClientFrame, ServerFrame
from hub.states import ParticipantsPresent, ScreensPresent
from ops.checkout import ROOT

SCHEMA_FILE: Final = ROOT / "web/client/schema.ts"
REST: Final = (
    "AccountPage",
    "ApiKeyPage",
    "ClinicOut",
    "CurrentState",
    "EnrolmentOut",
    "HubNodes",
    "InvitationPage",
    "MessageFeed",
    "NewApiKeyOut",
    "NotificationFeed",
    "OutboxMessage",
    "PairingOut",
    "PollOut",
    "PreferencesOut",
    "ProfileOut",
    "QueueOut",
    "ScreenPage",
    "SecondFactorOut",
    "SessionPage",
    "ShownBoards",
    "ThreadOut",
    "TicketOut",
    "TicketStatusOut",
    "UserOut",
)
EVENT_DATA: Final = (
    BoardTicket,
    ChatMessage,
    MessageAppended,
    ParticipantsPresent,
    ReceiptUpdated,
    ScreensPresent,
    ThreadUpdated,
    TicketRemoved,
    TicketUpserted,
)
_PREFIX: Final = "#/components/schemas/"
_HEAD: Final = "// Written by `python -m ops.web_types` from the API and the hub. Do not edit.\n"

Schema = dict[str, Any]


def main() -> int:
    """Write the file; returns 0."""
    SCHEMA_FILE.write_text(typescript(), encoding="utf-8")
    sys.stdout.write(f"{SCHEMA_FILE.relative_to(ROOT)} is written.\n")
    return 0


def typescript() -> str:
    """The whole file."""
    schemas = _rest() | _structs()
    return _HEAD + "".join(f"\n{_declaration(name, schemas[name])}" for name in sorted(schemas))


def _rest() -> dict[str, Schema]:
    """The named answers of the API, and whatever they are made of."""
    app: FastAPI = create_app(Runtime(Settings(_env_file=None, environment="test"), NoTasks()))
    components: dict[str, Schema] = app.openapi()["components"]["schemas"]
    wanted, found = list(REST), dict[str, Schema]()
    while wanted:
        full_name = wanted.pop()
        name = _name(full_name)
        if found.setdefault(name, components[full_name]) is not components[full_name]:
            raise ValueError(f"two classes of different rooms are called {name}")
        wanted += [other for other in _references(components[full_name]) if _name(other) not in found]
    return found


def _structs() -> dict[str, Schema]:
    frames: list[UnionType] = [ClientFrame, ServerFrame]
    answers, components = msgspec.json.schema_components([*frames, *EVENT_DATA], ref_template=_PREFIX + "{name}")
    names = ("ClientFrame", "ServerFrame")
    unions = {name: {"anyOf": answer["anyOf"]} for name, answer in zip(names, answers, strict=False)}
    return components | unions


def _name(reference: str) -> str:
    """FastAPI puts the module before names that two rooms share: ``api__chat__schemas__MessageOut``."""
    return reference.removeprefix(_PREFIX).rpartition("__")[2]


def _references(schema: Any) -> Iterable[str]:
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"].removeprefix(_PREFIX)
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def _declaration(name: str, schema: Schema) -> str:
    if "properties" not in schema:
        return f"export type {name} = {_type(schema)};\n"
    required = schema.get("required", [])
    lines = [f"  {key}{'' if key in required else '?'}: {_type(of)};\n" for key, of in schema["properties"].items()]
    return f"export interface {name} {{\n{''.join(lines)}}}\n"


def _type(schema: Schema) -> str:
    """JSON Schema, as far as our classes use it, in TypeScript."""
    if "$ref" in schema:
        return _name(schema["$ref"])
    if many := schema.get("anyOf") or schema.get("oneOf"):
        return " | ".join(dict.fromkeys(_type(one) for one in many))
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return " | ".join(msgspec.json.encode(value).decode() for value in values)
    return _plain_type(schema)


def _plain_type(schema: Schema) -> str:
    kind = schema.get("type")
    if kind == "array":
        items = _type(schema.get("items", {}))
        return f"({items})[]" if "|" in items else f"{items}[]"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"Record<string, {_type(values) if isinstance(values, dict) else 'unknown'}>"
    words = {"integer": "number", "number": "number", "string": "string", "boolean": "boolean", "null": "null"}
    return words.get(str(kind), "unknown")


if __name__ == "__main__":
    sys.exit(main())
