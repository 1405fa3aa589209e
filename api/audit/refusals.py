"""A refusal of what is not the caller's is written down: who wanted what, and why not."""

from fastapi import Request
from sqlalchemy.exc import SQLAlchemyError

from api.deps import actor_known_by, runtime_of
from api.route_paths import path_ids, route_path
from core.errors import Refusal
from core.logging import get_logger
from domain.audit.actions import write_entry
from domain.audit.rules import AuditAction

log = get_logger(__name__)


async def note_refusal(request: Request, refusal: Refusal) -> None:
    """In a transaction of its own: that of the request was rolled back. Ids of the path only, no contents."""
    route = route_path(request.scope)
    facts = {**path_ids(request.scope), "error_code": refusal.error_code}
    try:
        async with runtime_of(request).transactions.begin(actor_known_by(request)) as unit:
            write_entry(unit, AuditAction.ACCESS_REFUSED, f"{request.method} {route}", facts)
    except (SQLAlchemyError, OSError):
        # The refusal stands, whether it can be written down or not.
        log.exception("refusal_not_audited", route=route)
