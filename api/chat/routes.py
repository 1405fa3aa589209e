"""The chat: threads and their messages."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel

from api.chat.schemas import (
    MAX_SEQ,
    ChangeThreadStatus,
    ChatInitiated,
    InitiateChat,
    Key,
    MessageFeed,
    MessageOut,
    OpenThread,
    ReceiptOut,
    SendMessage,
    ThreadOut,
    ThreadPage,
    UnreadCount,
)
from api.deps import PageLimit, PageNumber, SignedIn, Unit, json_response, runtime_of
from api.idempotency import REPEATABLE, IdempotentRoute
from api.schema_docs import problems
from api.schema_types import Text
from core.access import PEOPLE
from core.errors import Authorization
from core.ids import new_id
from core.unit_of_work import UnitOfWork
from domain.chat import actions, policy, queries
from domain.chat.rules import ThreadStatus, check_attachments

router = APIRouter(prefix="/api/v1/chat", tags=["chat"], route_class=IdempotentRoute)

Before = Annotated[int | None, Query(ge=0, le=MAX_SEQ, description="Only messages with a lower seq (next_cursor).")]
Search = Annotated[Text | None, Query(description="Words of a message; the last one may be begun only.")]


def _again(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    return {200: {"model": model, "description": "It was there already; nothing was changed."}}


@router.get("/threads", responses=problems(401), openapi_extra=PEOPLE.label)
async def list_threads(
    unit: Unit,
    actor: SignedIn,
    search: Search = None,
    sort: Literal["recent", "created"] = "recent",
    status: ThreadStatus | None = None,
    include_archived: bool = True,
    page: PageNumber = 1,
    limit: PageLimit = 20,
) -> ThreadPage:
    """The caller's threads: those with the newest message first, or the newest threads first."""
    views, total = await queries.list_threads(
        unit.session,
        policy.user_of(actor),
        page=page,
        limit=limit,
        search=search,
        status=status,
        sort=sort,
        include_archived=include_archived,
    )
    return ThreadPage(items=[ThreadOut.of(view) for view in views], total=total, page=page, limit=limit)


@router.post(
    "/threads",
    status_code=201,
    responses=problems(401, 403),
    openapi_extra=policy.CARE_PAIRS.label,
    dependencies=REPEATABLE,
)
async def open_thread(unit: Unit, _: SignedIn, body: OpenThread) -> ThreadOut:
    """Open a care thread between a patient and a doctor."""
    thread = await actions.open_thread(unit, doctor_id=body.doctor_id, patient_id=body.patient_id, subject=body.subject)
    return await _thread_out(unit, thread.id)


@router.post(
    "/initiate",
    status_code=201,
    responses={**_again(ChatInitiated), **problems(401, 403, 409)},
    openapi_extra=policy.SUPPORT_SEEKERS.label,
    dependencies=REPEATABLE,
)
async def initiate_chat(
    unit: Unit, actor: SignedIn, response: Response, body: InitiateChat | None = None
) -> ChatInitiated:
    """A patient's thread with an advisor: the one that is open (200), or a new one (201)."""
    if body is not None and body.user_id not in {None, actor.user_id}:
        raise Authorization("A conversation with an advisor can be started for oneself only.")
    thread, is_new = await actions.initiate_support(unit)
    response.status_code = 201 if is_new else 200
    newest = await queries.list_messages(unit.session, thread.id, limit=queries.SNAPSHOT_MESSAGES)
    messages = [MessageOut.model_validate(message) for message in reversed(newest.items)]
    return ChatInitiated(chat_id=thread.id, messages=messages)


@router.get("/threads/unread-count", responses=problems(401), openapi_extra=PEOPLE.label)
async def unread_count(unit: Unit, actor: SignedIn) -> UnreadCount:
    """How many messages the caller has not read, in all threads."""
    return UnreadCount(unread_count=await queries.unread_total(unit.session, policy.user_of(actor)))


@router.get("/threads/{thread_id}", responses=problems(401, 404), openapi_extra=policy.PARTICIPANTS.label)
async def get_thread(unit: Unit, _: SignedIn, thread_id: UUID) -> ThreadOut:
    """One of the caller's threads."""
    return await _thread_out(unit, thread_id)


@router.patch("/threads/{thread_id}/status", responses=problems(401, 404), openapi_extra=policy.PARTICIPANTS.label)
async def change_status(unit: Unit, _: SignedIn, thread_id: UUID, body: ChangeThreadStatus) -> ThreadOut:
    """Open or close a thread for everybody in it; archive or unarchive it for oneself."""
    await actions.set_status(unit, thread_id, body.status)
    return await _thread_out(unit, thread_id)


@router.get(
    "/threads/{thread_id}/messages",
    response_model=MessageFeed,
    responses=problems(401, 404),
    openapi_extra=policy.PARTICIPANTS.label,
)
async def list_messages(
    request: Request, actor: SignedIn, thread_id: UUID, before: Before = None, limit: PageLimit = 50
) -> Response:
    """Messages of a thread, newest first."""
    feed = await queries.read_feed(
        runtime_of(request).database, thread_id, policy.user_of(actor), limit=limit, before=before
    )
    return json_response(feed)


@router.post(
    "/threads/{thread_id}/messages",
    status_code=201,
    responses={**_again(MessageOut), **problems(401, 404, 409)},
    openapi_extra=policy.PARTICIPANTS.label,
)
async def send_message(
    unit: Unit,
    _: SignedIn,
    thread_id: UUID,
    body: SendMessage,
    response: Response,
    idempotency_key: Annotated[Key | None, Header()] = None,
) -> MessageOut:
    """Write a message (201). A repeat under the same key is answered with the first one (200)."""
    check_attachments(body.attachments)
    key = body.key or idempotency_key or str(new_id())
    message, is_new = await actions.send_message(unit, thread_id, key, body.body)
    response.status_code = 201 if is_new else 200
    return MessageOut.model_validate(message)


@router.get(
    "/threads/{thread_id}/messages/search", responses=problems(401, 404), openapi_extra=policy.PARTICIPANTS.label
)
async def search_messages(
    unit: Unit,
    actor: SignedIn,
    thread_id: UUID,
    query: Annotated[Text, Query(min_length=1, description="Words of a message; the last one may be begun only.")],
    before: Before = None,
    limit: PageLimit = 50,
) -> MessageFeed:
    """Messages of a thread with all these words, newest first."""
    await queries.get_participation(unit.session, thread_id, policy.user_of(actor))
    found = await queries.search_messages(unit.session, thread_id, query, limit=limit, before=before)
    return MessageFeed.of(found)


@router.patch("/messages/{message_id}/read", responses=problems(401, 404, 409), openapi_extra=policy.PARTICIPANTS.label)
async def mark_message_read(unit: Unit, _: SignedIn, message_id: UUID) -> ReceiptOut:
    """Mark a received message, and all before it, as read. One's own message is a 409."""
    message, read_seq = await actions.mark_message_read(unit, message_id)
    return ReceiptOut(thread_id=message.thread_id, read_seq=read_seq)


async def _thread_out(unit: UnitOfWork, thread_id: UUID) -> ThreadOut:
    return ThreadOut.of(await queries.get_thread(unit.session, thread_id, policy.user_of(unit.actor)))
