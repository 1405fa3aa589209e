"""The audit, for administrators."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from api.audit.schemas import AuditEntryOut, AuditFeed
from api.deps import PageLimit, SignedIn, Unit
from api.schema_docs import problems
from api.schema_types import Moment
from domain.audit import policy, queries
from domain.audit.actions import write_entry
from domain.audit.rules import AuditAction

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])


@router.get("", responses=problems(401, 403), openapi_extra=policy.READERS.audited(AuditAction.AUDIT_READ))
async def list_entries(
    unit: Unit,
    actor: SignedIn,
    actor_id: UUID | None = None,
    action: AuditAction | None = None,
    since: Annotated[Moment | None, Query(description="From this time on.")] = None,
    until: Annotated[Moment | None, Query(description="Before this time.")] = None,
    cursor: Annotated[UUID | None, Query(description="Where the page before ended (next_cursor).")] = None,
    limit: PageLimit = 50,
) -> AuditFeed:
    """Sign-ins, refusals, changes of roles, reads of records and exports, newest first. Reading it is written down."""
    policy.check_may_read(actor)
    page = await queries.list_entries(
        unit.session, limit=limit, cursor=cursor, actor_id=actor_id, action=action, since=since, until=until
    )
    write_entry(unit, AuditAction.AUDIT_READ, "audit", {"shown": str(len(page.items))})
    items = [AuditEntryOut.model_validate(entry) for entry in page.items]
    return AuditFeed(items=items, next_cursor=page.next_cursor)
