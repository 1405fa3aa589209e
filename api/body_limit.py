"""Too large a body, said like every other refusal. Plain ASGI."""

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.error_handlers import problem


class BodyLimitProblem:
    """FastAPI stops a body at the ``max_body_size`` of its router or route, by a line of plain text.

    Here it becomes problem+json. (A limit of the whole application would be outside of this, and of every middleware.)
    """

    def __init__(self, app: ASGIApp) -> None:
        """Around everything that has such a limit."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        is_replaced = False

        async def translate(message: Message) -> None:
            nonlocal is_replaced
            if is_replaced:
                return
            if message["type"] == "http.response.start" and _is_plain_413(message):
                is_replaced = True
                answer = problem(Request(scope), 413, "PAYLOAD_TOO_LARGE", "The body is larger than we read.")
                await answer(scope, receive, send)
            else:
                await send(message)

        await self._app(scope, receive, translate if scope["type"] == "http" else send)


def _is_plain_413(message: Message) -> bool:
    content_type = Headers(raw=message["headers"]).get("content-type", "")
    return message["status"] == 413 and content_type.startswith("text/plain")
