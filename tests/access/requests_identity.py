"""Requests for the routes of accounts, keys, invitations, memberships and screens."""

from datetime import timedelta
from uuid import uuid4

from sqlalchemy import delete, select

from core.access import Party
from core.actor import ANONYMOUS, SYSTEM, Role
from core.clock import now
from core.ids import new_token
from domain.clinics.actions import add_member
from domain.identity import actions_invitations, actions_keys, letters
from domain.identity.actions import open_session
from domain.identity.policy import KEY_OWNERS
from domain.identity.rules import digest_of, session_of_access_token
from domain.screens import actions as screens
from domain.screens.actions import NewPairing
from models import Email, PasswordReset, SecondFactor
from tests.access.requests import Call, request_for
from tests.access.world import World
from tests.people import PASSWORD, Person, create_person, some_email


@request_for("DELETE /api/v1/auth/sessions/{session_id}")
async def revoke_session(world: World, party: Party) -> Call:
    """Another device of one's own."""
    person = world.people.get(party) or await world.account()
    async with world.runtime.transactions.begin() as unit:
        signed_in = await open_session(unit, person.id, world.runtime.settings)
    secret = world.runtime.settings.secret_key.get_secret_value()
    return Call(path={"session_id": session_of_access_token(signed_in.access_token, secret)})


@request_for("POST /api/v1/auth/forgot")
async def forgot(world: World, _: Party) -> Call:
    """Somebody has."""
    return Call(json={"email": (await world.account()).email})


@request_for("POST /api/v1/auth/reset")
async def reset(world: World, _: Party) -> Call:
    """With the token of a letter."""
    token, person = new_token(), await world.account()
    async with world.runtime.transactions.begin() as unit:
        expires_at = now() + timedelta(minutes=5)
        unit.session.add(PasswordReset(digest=digest_of(token), user_id=person.id, expires_at=expires_at))
    return Call(json={"token": token, "password": PASSWORD})


@request_for("POST /api/v1/auth/second-factor")
async def begin_second_factor(_: World, __: Party) -> Call:
    """With one's password."""
    return Call(json={"password": PASSWORD})


@request_for("POST /api/v1/auth/second-factor/confirm")
@request_for("POST /api/v1/auth/second-factor/recovery-codes")
@request_for("POST /api/v1/auth/second-factor/disable")
async def use_second_factor(world: World, party: Party) -> Call:
    """Of somebody who has none: let through, and told so."""
    person = world.people.get(party)
    if person:
        async with world.runtime.transactions.begin() as unit:
            await unit.session.execute(delete(SecondFactor).where(SecondFactor.user_id == person.id))
    return Call(json={"otp": "000000"})


@request_for("PATCH /api/v1/users/me")
async def change_oneself(_: World, __: Party) -> Call:
    """As one is."""
    return Call(json={"name": "Ada"})


@request_for("POST /api/v1/users/register")
async def register_in_other_words(_: World, __: Party) -> Call:
    """Somebody new."""
    return Call(json={"username": "Ada", "email": some_email(), "password": PASSWORD})


@request_for("POST /api/v1/users")
async def create_user(_: World, __: Party) -> Call:
    """Somebody new."""
    return Call(json={"email": some_email(), "password": PASSWORD, "name": "Ada", "role": "doctor"})


@request_for("GET /api/v1/users/{user_id}")
@request_for("DELETE /api/v1/users/{user_id}")
@request_for("DELETE /api/v1/users/{user_id}/second-factor")
async def somebody(world: World, _: Party) -> Call:
    """Somebody to whom it may be done."""
    return Call(path={"user_id": (await world.account()).id})


@request_for("PATCH /api/v1/users/{user_id}")
async def change_user(world: World, _: Party) -> Call:
    """To staff."""
    return Call(path={"user_id": (await world.account()).id}, json={"role": "staff"})


@request_for("POST /api/v1/invitations")
async def invite(_: World, __: Party) -> Call:
    """An advisor."""
    return Call(json={"email": some_email(), "role": "advisor"})


@request_for("DELETE /api/v1/invitations/{invitation_id}")
async def revoke_invitation(world: World, _: Party) -> Call:
    """An open one."""
    async with world.runtime.transactions.begin(world.people[Party.ADMIN].actor) as unit:
        invited = await actions_invitations.invite(unit, email=some_email(), role=Role.ADVISOR, clinic_id=None)
    return Call(path={"invitation_id": invited.id})


@request_for("POST /api/v1/invitations/accept")
async def accept_invitation(world: World, _: Party) -> Call:
    """With the token of the letter."""
    async with world.runtime.transactions.begin(world.people[Party.ADMIN].actor) as unit:
        invited = await actions_invitations.invite(unit, email=some_email(), role=Role.ADVISOR, clinic_id=None)
        email_id = await unit.session.scalar(select(Email.id).where(Email.invitation_id == invited.id))
        assert email_id is not None
        letter = await letters.claim_letter(unit, email_id, world.runtime.settings)
    assert letter is not None
    token = letter.body.partition("#token=")[2].split()[0]
    return Call(json={"token": token, "name": "Avery", "password": PASSWORD})


@request_for("POST /api/v1/api-keys")
async def create_key(_: World, __: Party) -> Call:
    """To read queues."""
    return Call(json={"name": "Till", "scopes": ["queues:read"]})


@request_for("DELETE /api/v1/api-keys/{key_id}")
async def revoke_key(world: World, party: Party) -> Call:
    """One's own; those who have none try somebody else's."""
    owner = world.people[party if party in KEY_OWNERS.parties else Party.STAFF]
    async with world.runtime.transactions.begin(owner.actor) as unit:
        made = await actions_keys.create_api_key(unit, "Till", ["queues:read"], timedelta(days=1))
    return Call(path={"key_id": made.session.id})


async def _member(world: World) -> Person:
    return await create_person(world.runtime, Role.STAFF)


@request_for("PUT /api/v1/clinics/{clinic_id}/members/{user_id}")
async def add_to_clinic(world: World, _: Party) -> Call:
    """Somebody who works nowhere yet."""
    return Call(path={"clinic_id": world.clinic.clinic_id, "user_id": (await _member(world)).id})


@request_for("DELETE /api/v1/clinics/{clinic_id}/members/{user_id}")
async def remove_from_clinic(world: World, _: Party) -> Call:
    """Somebody who works there."""
    member = await _member(world)
    async with world.runtime.transactions.begin(SYSTEM) as unit:
        await add_member(unit, world.clinic.clinic_id, member.id)
    return Call(path={"clinic_id": world.clinic.clinic_id, "user_id": member.id})


async def _pairing(world: World) -> NewPairing:
    async with world.runtime.transactions.begin(ANONYMOUS) as unit:
        return await screens.begin_pairing(unit)


@request_for("POST /api/v1/screens/pairings/{code}/poll")
async def poll_pairing(world: World, _: Party) -> Call:
    """By who knows its secret."""
    pairing = await _pairing(world)
    return Call(path={"code": pairing.code}, json={"secret": pairing.secret})


@request_for("POST /api/v1/screens/pairings/{code}/confirm")
async def confirm_pairing(world: World, _: Party) -> Call:
    """With a board of the clinic."""
    body = {"queue_id": str(world.clinic.queue_id), "name": f"Screen {uuid4().hex[:4]}"}
    return Call(path={"code": (await _pairing(world)).code}, json=body)


@request_for("GET /api/v1/screens")
async def list_screens(world: World, _: Party) -> Call:
    """Of the clinic."""
    return Call(query={"clinic_id": str(world.clinic.clinic_id)})


@request_for("DELETE /api/v1/screens/{screen_id}")
async def revoke_screen(world: World, _: Party) -> Call:
    """One of the clinic's."""
    pairing = await _pairing(world)
    async with world.runtime.transactions.begin(SYSTEM) as unit:
        screen = await screens.confirm_pairing(unit, pairing.code, world.clinic.queue_id, "Entrance")
    return Call(path={"screen_id": screen.id})
