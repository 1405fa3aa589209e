"""`python -m ops create-admin` on a real database."""

import subprocess
import sys

import httpx

from core.settings import Settings
from tests.ops.helpers import ROOT
from tests.people import PASSWORD, some_email
from tests.support.web import environment_of


def create_admin(settings: Settings, email: str, password: str, name: str = "Ada") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops", "create-admin", "--email", email, "--name", name],
        cwd=ROOT,
        env={**environment_of(settings), "ADMIN_PASSWORD": password},
        capture_output=True,
        text=True,
        check=False,
    )


async def test_the_first_administrator_signs_in(settings: Settings, client: httpx.AsyncClient) -> None:
    email = some_email()
    made = create_admin(settings, email, PASSWORD)
    assert made.returncode == 0, made.stderr
    assert PASSWORD not in made.stdout + made.stderr
    signed_in = await client.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD})
    assert signed_in.json()["user"]["role"] == "admin"
    again = create_admin(settings, email.upper(), PASSWORD)
    assert (again.returncode, again.stderr) == (1, "This email address is already registered.\n")


def test_what_cannot_be_is_refused_with_a_sentence(settings: Settings) -> None:
    for email, password, name, sentence in (
        ("nobody", PASSWORD, "Ada", "email"),
        (some_email(), "short", "Ada", "8 characters"),
        (some_email(), PASSWORD, "\x07", "name"),
    ):
        refused = create_admin(settings, email, password, name)
        assert refused.returncode == 1
        assert sentence in refused.stderr
        assert "Traceback" not in refused.stderr
