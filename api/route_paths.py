"""The route that a request came to: its template, and what of its address may be written down."""

from uuid import UUID

from starlette.types import Scope


def route_path(scope: Scope) -> str:
    """``/api/v1/users/{user_id}``, with the prefixes of all routers around it; empty where there was no route.

    FastAPI keeps the whole address of an included route in the scope, while the route itself knows its own part only.
    """
    included = scope.get("fastapi", {}).get("effective_route_context")
    path: str = getattr(included or scope.get("route"), "path", "")
    return path


def path_ids(scope: Scope) -> dict[str, str]:
    """The ids in the address. A ticket's link opens it for whoever reads it: nothing but UUIDs is kept."""
    return {name: str(value) for name, value in scope.get("path_params", {}).items() if _is_id(str(value))}


def logged_path(scope: Scope) -> str:
    """The template with the ids put in. Where there was no route nothing: what was asked for may hold anything."""
    path = route_path(scope)
    for name, value in path_ids(scope).items():
        path = path.replace(f"{{{name}}}", value)
    return path


def _is_id(value: str) -> bool:
    try:
        UUID(value)
    except ValueError:
        return False
    return True
