"""What the hub does just now, for administrators."""

from fastapi import APIRouter, Request

from api.deps import SettingsOf, SignedIn, Unit, runtime_of
from api.nodes.schemas import Disconnection, HubNodeOut, HubNodes, ShownBoardOut, ShownBoards
from api.schema_docs import problems
from core.access import ADMINISTRATORS
from domain.nodes import actions, policy, queries
from domain.queueing.events import board_channel
from domain.queueing.queries import list_all_queues

router = APIRouter(prefix="/api/v1/hub", tags=["hub"])


@router.get("/nodes", responses=problems(401, 403), openapi_extra=ADMINISTRATORS.label)
async def list_nodes(unit: Unit, actor: SignedIn, settings: SettingsOf) -> HubNodes:
    """The processes that serve sockets, with their sockets, channels and rates."""
    policy.check_may_operate(actor)
    nodes = await queries.living_nodes(unit.session, settings.hub_report_seconds)
    return HubNodes(items=[HubNodeOut.model_validate(node) for node in nodes], redis_mode=settings.redis_mode)


@router.get("/boards", responses=problems(401, 403), openapi_extra=ADMINISTRATORS.label)
async def list_shown_boards(request: Request, unit: Unit, actor: SignedIn) -> ShownBoards:
    """Which boards are on how many screens now, on all nodes together."""
    policy.check_may_operate(actor)
    queues = await list_all_queues(unit.session)
    totals = await runtime_of(request).presence.totals([board_channel(queue_id) for queue_id, _, _ in queues])
    boards = [
        ShownBoardOut(queue_id=queue_id, queue_name=name, clinic_name=clinic_name, screens=screens)
        for queue_id, name, clinic_name in queues
        if (screens := totals[board_channel(queue_id)].total())
    ]
    return ShownBoards(items=boards)


@router.post("/disconnect", status_code=204, responses=problems(400, 401, 403, 404), openapi_extra=ADMINISTRATORS.label)
async def disconnect(unit: Unit, _: SignedIn, body: Disconnection) -> None:
    """Sign a user out everywhere, API keys included: their sockets close on every node within two seconds."""
    await actions.disconnect_user(unit, body.user_id)
