"""Document 004, Hospital Queue API: what it asks of identity."""

import httpx
import pytest

from core.actor import Role
from core.runtime import Runtime
from tests.builders import create_clinic
from tests.people import create_person


async def test_post_auth_login(api: httpx.AsyncClient, ada: dict[str, str]) -> None:
    """OAuth2PasswordBearer: the document names where its form is sent."""
    root = "http://localhost:8000"
    document = (await api.get(f"{root}/openapi.json")).json()
    flow = document["components"]["securitySchemes"]["bearer"]["flows"]["password"]
    form = {"username": ada["email"], "password": ada["password"], "grant_type": "password"}
    tokens = await api.post(root + flow["tokenUrl"], data=form)
    assert tokens.status_code == 200
    bearer = {"Authorization": f"Bearer {tokens.json()['access_token']}"}
    assert (await api.get("users/me", headers=bearer)).status_code == 200


async def test_post_auth_refresh(api: httpx.AsyncClient, product: Runtime) -> None:
    person = await create_person(product)
    fresh = (await api.post("auth/refresh", json={"refresh_token": person.refresh_token})).json()
    bearer = {"Authorization": f"Bearer {fresh['access_token']}"}
    assert (await api.get("users/me", headers=bearer)).json()["id"] == str(person.id)


@pytest.mark.parametrize(
    ("role", "me", "queue", "users"),
    [
        (None, 401, 401, 401),
        (Role.PATIENT, 200, 403, 403),
        (Role.STAFF, 200, 200, 403),
        (Role.ADMIN, 200, 200, 200),
    ],
)
async def test_role_dependencies(
    api: httpx.AsyncClient, product: Runtime, role: Role | None, me: int, queue: int, users: int
) -> None:
    """``get_current_user``, ``get_current_active_staff``, ``get_current_admin``."""
    clinic = await create_clinic(product)
    works = (clinic.clinic_id,) if role == Role.STAFF else ()
    headers = (await create_person(product, role, clinic_ids=works)).bearer if role else {}
    addresses = ("users/me", f"queue/current?queue_id={clinic.queue_id}", "users")
    statuses = [(await api.get(address, headers=headers)).status_code for address in addresses]
    assert statuses == [me, queue, users]
