"""What routes say of themselves in OpenAPI."""

from typing import Any, Final

from api.error_handlers import Problem

_TEXTS: Final = {
    400: "The request cannot be read.",
    401: "Nobody is signed in.",
    403: "Not allowed for this role or clinic.",
    404: "There is no such resource, or not for this caller.",
    409: "The state of the resource does not allow it.",
    413: "The body is larger than we read.",
    422: "The input is not valid.",
    429: "Too many requests; Retry-After says when to come back.",
    503: "A part of the service is not reachable at the moment.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """``responses=`` of a route that can be refused with those statuses, all as problem+json."""
    # Where one signs in, a key may have too few scopes, and a cookie may come from a page that is not ours.
    forbidden = (403,) if 401 in statuses else ()
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"model": Problem, "description": _TEXTS[status], "content": content}
        for status in (*statuses, *forbidden, 413, 422, 429, 503)
    }
