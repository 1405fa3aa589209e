"""Keys for machines: shown once, narrowed to scopes, revocable."""

from datetime import datetime, timedelta
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from api.deps import SignedIn, Unit
from api.schema_docs import problems
from api.schema_types import Name
from domain.identity import actions_keys, queries
from domain.identity.policy import KEY_OWNERS, check_may_make_key
from domain.identity.scopes import SCOPES
from models import Session

router = APIRouter(prefix="/api-keys")


class ApiKeyIn(BaseModel):
    """What the key is for, what it may do, and for how long. It never may more than its owner."""

    name: Name
    scopes: Annotated[list[str], Field(min_length=1, max_length=len(SCOPES), examples=[["queues:read"]])]
    expires_in_days: Annotated[int, Field(ge=1, le=3650)] = 365


class ApiKeyOut(BaseModel):
    """A key without its secret; ``hint`` is its end."""

    id: UUID
    name: str
    scopes: list[str]
    hint: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, session: Session) -> Self:
        """From the session that the key stands for."""
        return cls(
            id=session.id,
            name=session.label,
            scopes=session.scopes or [],
            hint=session.key_hint,
            created_at=session.created_at,
            last_used_at=session.last_used_at,
            expires_at=session.expires_at,
        )


class NewApiKeyOut(ApiKeyOut):
    """With the key itself, this once. Send it as ``Authorization: Bearer cbk_…``."""

    key: str = ""


class ApiKeyPage(BaseModel):
    """All keys of a user, the last used one first."""

    items: list[ApiKeyOut]
    total: int
    page: int = 1
    limit: int


@router.post("", status_code=201, responses=problems(401, 403), openapi_extra=KEY_OWNERS.label)
async def create(unit: Unit, _: SignedIn, body: ApiKeyIn, response: Response) -> NewApiKeyOut:
    """Make a key with one's own rights, narrowed to scopes. Scopes are ``resource:read`` and ``resource:write``."""
    response.headers["Cache-Control"] = "no-store"
    made = await actions_keys.create_api_key(unit, body.name, body.scopes, timedelta(days=body.expires_in_days))
    answer = NewApiKeyOut.of(made.session)
    answer.key = made.key
    return answer


@router.get("", responses=problems(401, 403), openapi_extra=KEY_OWNERS.label)
async def list_keys(unit: Unit, actor: SignedIn) -> ApiKeyPage:
    """One's own keys that work."""
    keys = await queries.living_sessions(unit.session, check_may_make_key(actor), "api_key", unit.at)
    items = [ApiKeyOut.of(key) for key in keys]
    return ApiKeyPage(items=items, total=len(items), limit=max(len(items), 1))


@router.delete("/{key_id}", status_code=204, responses=problems(401, 403, 404), openapi_extra=KEY_OWNERS.label)
async def revoke(unit: Unit, _: SignedIn, key_id: UUID) -> None:
    """End a key: one's own, or anybody's for administrators. Its sockets close within two seconds."""
    await actions_keys.revoke_api_key(unit, key_id)
