"""``/asyncapi.json``: the protocol of the sockets, for machines. People read ``/asyncapi``."""

import msgspec
from fastapi import APIRouter, Response

from core.access import PUBLIC
from hub.asyncapi import asyncapi_document


def asyncapi_router(public_url: str) -> APIRouter:
    """The route; the document is made once. ``public_url`` is where the product is reached by HTTP."""
    router = APIRouter()
    payload = msgspec.json.encode(asyncapi_document(public_url))

    @router.get("/asyncapi.json", include_in_schema=False, openapi_extra=PUBLIC.label)
    async def asyncapi() -> Response:
        return Response(payload, media_type="application/json", headers={"Cache-Control": "no-cache"})

    return router
