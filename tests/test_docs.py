"""What the README and docs/ say is true: links, commands, settings, frames, codes and endpoints."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from core.errors import Refusal
from core.settings import Settings
from hub import frames, node
from hub.close_codes import CloseCode
from hub.error_codes import ERROR_CODES, NO_SOCKET, error_table
from ops.web import create_app
from tests.support.web import ROOT

PAGES = [ROOT / "README.md", ROOT / "web" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OPERATION = re.compile(r"`(GET|POST|PUT|PATCH|DELETE|WS) (/\S*?)`")
# Words in capitals that are no settings: of Compose, of tools, and of standards.
NO_SETTINGS = {"POSTGRES_PASSWORD", "BENCH_LEAN"}


def text_of(page: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def section(page: str, name: str) -> str:
    """What stands between ``<!-- name -->`` and ``<!-- end -->``."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- end -->", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    assert found, f"{page} has no section {name}"
    return found[1]


def rows(table: str) -> list[list[str]]:
    """The cells of a Markdown table, without its head."""
    lines = [line for line in table.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split(" |")] for line in lines]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", text_of(page))
    inside = [target.partition("#")[0] for target in targets if not target.startswith(("http://", "https://"))]
    assert [target for target in inside if target and not (page.parent / target).exists()] == []


def test_commands_in_the_pages_are_targets_of_make() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {
        command
        for page in PAGES
        for command in re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert {"run", "test", "simulate"} <= named
    assert named <= targets


def test_settings_in_the_pages_exist() -> None:
    words = error_codes() | {code.word for code in ERROR_CODES}
    known = {name.upper() for name in Settings.model_fields} | words | NO_SETTINGS
    for page in PAGES:
        named = set(re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=[^`]*)?`", text_of(page)))
        assert named <= known, page


# --- the protocol ---


def error_codes() -> set[str]:
    """The stable word of every refusal, and of messages that are no frames."""
    return {"INVALID_JSON", "UNKNOWN_TYPE"} | {cls.error_code for cls in refusals()}


def refusals() -> set[type[Refusal]]:
    """All classes that were imported."""
    found, classes = set[type[Refusal]](), [Refusal]
    while classes:
        refusal = classes.pop()
        found.add(refusal)
        classes += refusal.__subclasses__()
    return found


def test_the_table_of_error_codes_is_current() -> None:
    table = error_table() + "\n"
    assert section("docs/protocol.md", "error codes") == table, f"Put this there:\n{table}"


def test_the_error_codes_of_the_protocol_are_those_of_the_hub() -> None:
    words = [code.word for code in ERROR_CODES]
    assert len(set(words)) == len(words)
    in_frames = {code.word for code in ERROR_CODES if code.socket != NO_SOCKET}
    assert in_frames <= error_codes()
    of_the_hub = {cls.error_code for cls in refusals() if cls.__module__.startswith("hub.")}
    assert {"TOO_MANY_CHANNELS", "UNKNOWN_CHANNEL", "FORBIDDEN_ORIGIN"} <= of_the_hub <= set(words)


def close_code_table() -> str:
    """The table for docs/protocol.md."""
    head = "| code | name | when | what the client does |\n|---|---|---|---|\n"
    return head + "".join(f"| {code.value} | {code.name} | {code.meaning} | {code.advice} |\n" for code in CloseCode)


def test_close_codes_stand_in_their_order() -> None:
    assert list(CloseCode) == sorted(CloseCode)


def test_the_table_of_close_codes_is_current() -> None:
    assert section("docs/protocol.md", "close codes") == close_code_table(), f"Put this there:\n{close_code_table()}"


def fields_of(frame: type) -> str:
    """As the tables of frames name them: a question mark after what may be left out."""
    named = msgspec.structs.fields(frame)
    return " ".join(f"`{field.name}{'' if field.required else '?'}`" for field in named)


@pytest.mark.parametrize(
    ("name", "union"), [("frames to the hub", frames.ClientFrame), ("frames from the hub", frames.ServerFrame)]
)
def test_the_tables_of_frames_are_current(name: str, union: object) -> None:
    documented = {row[0].strip("`"): row[1] for row in rows(section("docs/protocol.md", name))}
    assert documented == {frame.__struct_config__.tag: fields_of(frame) for frame in get_args(union)}


# --- the sources ---


def operations(settings: Settings) -> set[tuple[str, str]]:
    """Method and path of everything that a web process serves, parameters without their names."""
    rest = {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path))
        for path, methods in create_app(settings).openapi()["paths"].items()
        for method in methods
    }
    return rest | {("WS", re.sub(r"\(.*\)", "{}", pattern.pattern)) for pattern, _kind in node._PATHS}


def documented() -> Iterator[tuple[str, str, str, str]]:
    """Document, method, path and status of each endpoint in docs/sources.md."""
    for document, _theirs, ours, status, *_ in rows((ROOT / "docs/sources.md").read_text(encoding="utf-8")):
        for method, path in OPERATION.findall(ours):
            yield document, method, re.sub(r"\{\w+\}", "{}", f"/api/v1{path}"), status


def test_every_endpoint_of_the_sources_has_its_true_status(settings: Settings) -> None:
    served, wrong = operations(settings), []
    assert ("WS", "/api/v1/queue/ws/{}") in served
    found = list(documented())
    assert {document for document, *_ in found} == {"000", "001", "002", "003", "004"}
    for document, method, path, status in found:
        assert status in {"works", "later"}, (document, path, status)
        if (status == "works") != ((method, path) in served):
            wrong.append(f"{document}: {method} {path} is not '{status}' (any more)")
    assert wrong == []


def test_decisions_are_numbered() -> None:
    notes = [path.name for path in (ROOT / "docs/decisions").glob("*.md")]
    assert all(re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", name) for name in notes), notes
    numbers = [name[:4] for name in notes]
    assert len(set(numbers)) == len(numbers), sorted(notes)
