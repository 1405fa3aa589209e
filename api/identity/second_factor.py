"""Setting up a second factor, and doing without."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from api.audit.refusals import note_refusal
from api.deps import SettingsOf, SignedIn, Unit, runtime_of
from api.identity.schemas import OneTimeCode, Password
from api.schema_docs import problems
from core.access import PEOPLE
from core.errors import TooManyRequests
from core.rate_limits import RateLimit
from domain.identity import actions_second_factor, queries
from domain.identity.policy import user_of
from domain.identity.second_factor import is_required

router = APIRouter(prefix="/auth/second-factor")

_NOT_KEPT = {"Cache-Control": "no-store"}


class SecondFactorOut(BaseModel):
    """Whether a second factor is in force, whether the role needs one, and the recovery codes that are left."""

    is_enabled: bool
    is_required: bool
    recovery_codes_left: int


class Setup(BaseModel):
    """The password, once more."""

    password: Password


class EnrolmentOut(BaseModel):
    """For the authenticator app (TOTP, RFC 6238): ``uri`` as a QR code, or ``secret`` typed in."""

    secret: str
    uri: str


class CodeIn(BaseModel):
    """A code of the app, or (where the factor is in force already) a recovery code."""

    otp: OneTimeCode


class RecoveryCodesOut(BaseModel):
    """Shown once; each works once."""

    recovery_codes: Annotated[list[str], Field(examples=[["ABCD-EFGH-IJKL-MNOP"]])]


async def _limited(request: Request, actor: SignedIn) -> AsyncIterator[None]:
    """Guesses are counted like those at the sign-in, and forgotten when one was right."""
    runtime = runtime_of(request)
    settings, limits = runtime.settings, runtime.rate_limits
    limit = RateLimit("second_factor", settings.login_failures, settings.login_failure_minutes * 60)
    retry_after = await limits.hit(limit, actor.label)
    if retry_after is not None:
        refusal = TooManyRequests(retry_after=retry_after)
        await note_refusal(request, refusal)
        raise refusal
    yield
    await limits.forget(limit, actor.label)


_LIMITED = [Depends(_limited, scope="function")]


@router.get("", responses=problems(401, 403), openapi_extra=PEOPLE.label)
async def get_second_factor(unit: Unit, actor: SignedIn, settings: SettingsOf) -> SecondFactorOut:
    """Is one set up?"""
    user_id = user_of(actor)
    factor = await queries.find_second_factor(unit.session, user_id)
    return SecondFactorOut(
        is_enabled=factor is not None and factor.confirmed_at is not None,
        is_required=is_required(actor, settings),
        recovery_codes_left=await queries.count_recovery_codes(unit.session, user_id),
    )


@router.post("", responses=problems(401, 403, 404, 409, 429), openapi_extra=PEOPLE.label, dependencies=_LIMITED)
async def begin(unit: Unit, _: SignedIn, settings: SettingsOf, body: Setup, response: Response) -> EnrolmentOut:
    """Start: the app gets its secret. Nothing has changed until the first code of the app was confirmed."""
    response.headers.update(_NOT_KEPT)
    enrolment = await actions_second_factor.begin_second_factor(unit, body.password, settings)
    return EnrolmentOut(secret=enrolment.secret, uri=enrolment.uri)


@router.post("/confirm", responses=problems(401, 403, 409, 429), openapi_extra=PEOPLE.label, dependencies=_LIMITED)
async def confirm(unit: Unit, _: SignedIn, settings: SettingsOf, body: CodeIn, response: Response) -> RecoveryCodesOut:
    """The first code puts the second factor in force; the recovery codes are shown now and never again."""
    response.headers.update(_NOT_KEPT)
    codes = await actions_second_factor.confirm_second_factor(unit, body.otp, settings)
    return RecoveryCodesOut(recovery_codes=codes)


@router.post(
    "/recovery-codes", responses=problems(401, 403, 409, 429), openapi_extra=PEOPLE.label, dependencies=_LIMITED
)
async def renew_codes(
    unit: Unit, _: SignedIn, settings: SettingsOf, body: CodeIn, response: Response
) -> RecoveryCodesOut:
    """Ten new recovery codes; the old ones are void."""
    response.headers.update(_NOT_KEPT)
    return RecoveryCodesOut(recovery_codes=await actions_second_factor.renew_recovery_codes(unit, body.otp, settings))


@router.post(
    "/disable",
    status_code=204,
    responses=problems(401, 403, 409, 429),
    openapi_extra=PEOPLE.label,
    dependencies=_LIMITED,
)
async def disable(unit: Unit, _: SignedIn, settings: SettingsOf, body: CodeIn) -> None:
    """Do without again, for one more code. Refused where the role needs one."""
    await actions_second_factor.remove_second_factor(unit, body.otp, settings)
