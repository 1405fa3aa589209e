"""``python -m ops access-table``: writes docs/access.md, the table of who may do what, from the doors themselves."""

import argparse
from collections.abc import Iterator

from fastapi.routing import APIRoute, iter_route_contexts

from core.access import AUDIT_KEY, PARTIES, POLICIES, POLICY_KEY, Party, Policy
from core.settings import Settings
from hub.access import socket_policies
from ops.checkout import ROOT
from ops.web import create_app

PAGE = ROOT / "docs" / "access.md"

_HEAD = """\
# Who may do what

Made from the doors by `python -m ops access-table`; a test says when this page is old. Each route and each command of
a socket names its policy (`x-policy` in the OpenAPI document), a policy is decided in the `policy.py` of its room, and
`tests/access` asks every door as every party below. What shows data of others names the word under which each look is
written into the audit (`x-audit`); what is refused is written there as well. Addresses with `/dev/` exist in
development only.
"""


def rest_policies() -> dict[str, Policy | None]:
    """The policy of each route as ``GET /path``; None for one that names none, or none that there is."""
    return {door: POLICIES.get(label.get(POLICY_KEY, "")) for door, label in _labels().items()}


def audited_routes() -> dict[str, str]:
    """The routes of which each use is written into the audit, and under which word."""
    return {door: label[AUDIT_KEY] for door, label in _labels().items() if AUDIT_KEY in label}


def _labels() -> dict[str, dict[str, str]]:
    app = create_app(Settings(_env_file=None, environment="test"))
    found: dict[str, dict[str, str]] = {}
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, APIRoute):
            for method in sorted(context.original_route.methods or ()):
                found[f"{method} {context.path}"] = context.original_route.openapi_extra or {}
    return dict(sorted(found.items(), key=lambda item: item[0].split(" ")[::-1]))


def render() -> str:
    """The page. Raises ``ValueError`` for a route without a policy."""
    return "\n".join([_HEAD, *_parties(), *_policies(), *_doors()])


def _parties() -> Iterator[str]:
    yield "## Parties\n\n| party | is |\n|---|---|"
    yield from (f"| {party} | {meaning} |" for party, meaning in PARTIES.items())
    yield ""


def _policies() -> Iterator[str]:
    yield f"## Policies\n\n| policy | lets through | {' | '.join(Party)} |\n|---|---|{'---|' * len(Party)}"
    for policy in sorted(POLICIES.values(), key=lambda policy: policy.name):
        marks = " | ".join("yes" if party in policy.parties else "–" for party in Party)
        yield f"| {policy.name} | {policy.sentence} | {marks} |"
    yield ""


def _doors() -> Iterator[str]:
    audited = audited_routes()
    yield "## REST\n\n| route | policy | in the audit |\n|---|---|---|"
    for door, policy in rest_policies().items():
        if policy is None:
            raise ValueError(f"this route names no policy: {door}")
        yield f"| `{door}` | {policy.name} | {audited.get(door, '')} |"
    yield "\n## Socket\n\n| command | policy |\n|---|---|"
    yield from (f"| `{command}` | {policy.name} |" for command, policy in socket_policies().items())
    yield ""


def main(arguments: list[str]) -> int:
    """Write the page; returns 0."""
    argparse.ArgumentParser(prog="python -m ops access-table", description=__doc__).parse_args(arguments)
    PAGE.write_text(render(), encoding="utf-8")
    return 0
