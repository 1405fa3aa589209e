"""Accounts: one's own, and all of them for administrators."""

from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Query, Request

from api.deps import PageLimit, PageNumber, SettingsOf, SignedIn, Unit, runtime_of
from api.idempotency import REPEATABLE, IdempotentRoute
from api.identity.schemas import (
    AccountChange,
    AccountOut,
    AccountPage,
    PersonRole,
    ProfileChange,
    ProfileOut,
    Registration,
    UserRegistered,
    UserRegistration,
)
from api.schema_docs import problems
from core.access import ADMINISTRATORS, PEOPLE, PUBLIC
from core.actor import ANONYMOUS, Role
from core.unit_of_work import UnitOfWork
from domain.audit.actions import write_entry
from domain.audit.rules import AuditAction
from domain.identity import actions, actions_second_factor, actions_users, queries
from domain.identity.errors import EmailAlreadyRegistered, UserAlreadyExists
from domain.identity.policy import check_may_manage_users
from models import User

router = APIRouter(prefix="/users", route_class=IdempotentRoute)


async def _account(unit: UnitOfWork, user: User) -> AccountOut:
    clinics = await queries.clinics_of(unit.session, [user.id])
    return AccountOut.of(user, clinics.get(user.id, []))


@router.post("/register", status_code=201, responses=problems(400), openapi_extra=PUBLIC.label)
async def register(request: Request, body: UserRegistration) -> UserRegistered:
    """Make a patient's account, in the words of document 000. An address that is taken is 422 here."""
    runtime = runtime_of(request)
    try:
        async with runtime.transactions.begin(ANONYMOUS) as unit:
            user = await actions.create_user(
                unit,
                email=body.email,
                password=body.password,
                name=body.username,
                password_min_length=runtime.settings.password_min_length,
                password_cost=runtime.settings.bcrypt_cost,
            )
    except EmailAlreadyRegistered as taken:
        raise UserAlreadyExists from taken
    return UserRegistered(user_id=user.id)


@router.patch("/me", responses=problems(401, 403, 404), openapi_extra=PEOPLE.label)
async def change_own_account(unit: Unit, _: SignedIn, body: ProfileChange) -> ProfileOut:
    """Change one's own name, phone, specialization (doctors) or department (staff)."""
    changes = cast("actions_users.Profile", body.model_dump(exclude_unset=True))
    return ProfileOut.model_validate(await actions_users.change_own_profile(unit, changes))


@router.get("", responses=problems(401, 403), openapi_extra=ADMINISTRATORS.audited(AuditAction.RECORD_READ))
async def list_users(
    unit: Unit,
    actor: SignedIn,
    role: PersonRole | None = None,
    search: Annotated[str, Query(max_length=100, pattern=r"^[^\u0000]*$")] = "",
    is_active: bool | None = None,
    page: PageNumber = 1,
    cursor: Annotated[
        UUID | None, Query(description="Where the page before ended (next_cursor); wins over page.")
    ] = None,
    limit: PageLimit = 20,
) -> AccountPage:
    """Accounts by name; ``search`` is a part of a name or an address. Each look is written into the audit."""
    check_may_manage_users(actor)
    found = await queries.list_users(
        unit.session,
        role=Role(role) if role else None,
        search=search,
        is_active=is_active,
        page=page,
        cursor=cursor,
        limit=limit,
    )
    write_entry(unit, AuditAction.RECORD_READ, "users", {"shown": str(len(found.items))})
    clinics = await queries.clinics_of(unit.session, [user.id for user in found.items])
    items = [AccountOut.of(user, clinics.get(user.id, [])) for user in found.items]
    return AccountPage(items=items, total=found.total, page=page, limit=limit, next_cursor=found.next_cursor)


@router.post(
    "",
    status_code=201,
    responses=problems(400, 401, 403, 409),
    openapi_extra=ADMINISTRATORS.label,
    dependencies=REPEATABLE,
)
async def create_user(unit: Unit, actor: SignedIn, settings: SettingsOf, body: Registration) -> AccountOut:
    """Make an account with any role."""
    check_may_manage_users(actor)
    user = await actions.create_user(
        unit,
        email=body.email,
        password=body.password,
        name=body.name,
        role=Role(body.role),
        phone=body.phone,
        specialization=body.specialization,
        department=body.department,
        password_min_length=settings.password_min_length,
        password_cost=settings.bcrypt_cost,
    )
    return await _account(unit, user)


@router.get(
    "/{user_id}",
    responses=problems(401, 403, 404),
    openapi_extra=ADMINISTRATORS.audited(AuditAction.RECORD_READ),
)
async def get_user(unit: Unit, actor: SignedIn, user_id: UUID) -> AccountOut:
    """One account. Each look is written into the audit."""
    check_may_manage_users(actor)
    account = await _account(unit, await queries.get_person(unit.session, user_id))
    write_entry(unit, AuditAction.RECORD_READ, f"user:{user_id}")
    return account


@router.patch("/{user_id}", responses=problems(401, 403, 404, 409), openapi_extra=ADMINISTRATORS.label)
async def change_user(unit: Unit, _: SignedIn, user_id: UUID, body: AccountChange) -> AccountOut:
    """Change an account. Another role and deactivation sign it out everywhere."""
    changes = cast("actions_users.AccountChange", body.model_dump(exclude_unset=True))
    return await _account(unit, await actions_users.change_user(unit, user_id, changes))


@router.delete(
    "/{user_id}", status_code=204, responses=problems(401, 403, 404, 409), openapi_extra=ADMINISTRATORS.label
)
async def deactivate_user(unit: Unit, _: SignedIn, user_id: UUID) -> None:
    """Deactivate an account: sessions end, sockets close within two seconds. Nothing is deleted."""
    await actions_users.deactivate_user(unit, user_id)


@router.delete(
    "/{user_id}/second-factor",
    status_code=204,
    responses=problems(401, 403, 404, 409),
    openapi_extra=ADMINISTRATORS.label,
)
async def reset_second_factor(unit: Unit, _: SignedIn, user_id: UUID) -> None:
    """Remove the second factor of somebody who has lost it; they are signed out everywhere."""
    await actions_second_factor.reset_second_factor(unit, user_id)
