"""The header ``Idempotency-Key`` of requests that make something.

A route of the class ``IdempotentRoute`` asks for it by ``dependencies=REPEATABLE``. Source: The Idempotency-Key HTTP
Header Field (draft-ietf-httpapi-idempotency-key-header-07); what is done differently: docs/decisions.
"""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Request, Response
from fastapi.routing import APIRoute
from pydantic import Field

from api.deps import SettingsOf, SignedIn, Unit
from api.schema_types import Text
from core import idempotency
from core.idempotency import Answer, Claim

Key = Annotated[
    Text,
    Field(
        min_length=1,
        description="Makes a repeat safe: for a day, the same request of the same user under the same key is answered"
        " with the first answer, and changes nothing. Another request under it is refused (`IDEMPOTENCY_KEY_REUSED`)."
        " A refusal is not kept.",
        examples=["8e03978e-40d5-43e8-bc93-6894a57f9324"],
    ),
]


class _AnsweredBefore(Exception):
    """The request is a repeat."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


async def _claim_key(
    request: Request,
    actor: SignedIn,
    unit: Unit,
    settings: SettingsOf,
    idempotency_key: Annotated[Key | None, Header()] = None,
) -> None:
    assert hasattr(request.state, "claim"), "the router of this route needs route_class=IdempotentRoute"
    if idempotency_key is None or actor.user_id is None:
        return
    address = f"{request.method} {request.url.path}?{request.url.query}"
    same = idempotency.fingerprint(
        settings.secret_key.get_secret_value(), address.encode("utf-8", "surrogatepass"), await request.body()
    )
    found = await idempotency.claim(unit, actor.user_id, idempotency_key, same)
    if isinstance(found, Answer):
        raise _AnsweredBefore(found)
    request.state.claim = found


class IdempotentRoute(APIRoute):
    """Keeps the answer in the request's own transaction, which is committed after that; answers repeats with it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of the framework, with the answer written down."""
        handle = super().get_route_handler()

        async def answer_once(request: Request) -> Response:
            request.state.claim = None
            try:
                response = await handle(request)
            except _AnsweredBefore as repeat:
                return Response(repeat.answer.body, repeat.answer.status, media_type="application/json")
            claim: Claim | None = request.state.claim
            if claim is not None:
                await idempotency.keep(claim, Answer(response.status_code, bytes(response.body)))
            return response

        return answer_once


REPEATABLE: Final = [Depends(_claim_key)]
