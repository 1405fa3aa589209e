"""What the hub does just now, for administrators."""

from fastapi import APIRouter

from api.deps import SettingsOf, SignedIn, Unit
from api.nodes.schemas import Disconnection, HubNodeOut, HubNodes
from api.schema_docs import problems
from core.access import ADMINISTRATORS
from domain.nodes import actions, policy, queries

router = APIRouter(prefix="/api/v1/hub", tags=["hub"])


@router.get("/nodes", responses=problems(401, 403), openapi_extra=ADMINISTRATORS.label)
async def list_nodes(unit: Unit, actor: SignedIn, settings: SettingsOf) -> HubNodes:
    """The processes that serve sockets, with their sockets, channels and rates."""
    policy.check_may_operate(actor)
    nodes = await queries.living_nodes(unit.session, settings.hub_report_seconds)
    return HubNodes(items=[HubNodeOut.model_validate(node) for node in nodes])


@router.post("/disconnect", status_code=204, responses=problems(400, 401, 403, 404), openapi_extra=ADMINISTRATORS.label)
async def disconnect(unit: Unit, _: SignedIn, body: Disconnection) -> None:
    """Sign a user out everywhere, API keys included: their sockets close on every node within two seconds."""
    await actions.disconnect_user(unit, body.user_id)
