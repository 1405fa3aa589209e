"""The template of the route that a request came to."""

from starlette.types import Scope


def route_path(scope: Scope) -> str:
    """``/api/v1/users/{user_id}``, with the prefixes of all routers around it; empty where there was no route.

    FastAPI keeps the whole address of an included route in the scope, while the route itself knows its own part only.
    """
    included = scope.get("fastapi", {}).get("effective_route_context")
    path: str = getattr(included or scope.get("route"), "path", "")
    return path
