"""A Chromium, a running web process, and people to use it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Literal

import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect
from sqlalchemy import update

from core.actor import Role
from core.runtime import Runtime
from core.settings import Settings
from models import User
from ops.build_web import WebBuilder
from ops.chromium import find_chromium
from tests.browser.product import Desk, WebProcess, running_web
from tests.builders import create_clinic
from tests.people import PASSWORD, Person, create_person
from tests.support.web import WAIT_SECONDS

OpenPage = Callable[..., Awaitable[Page]]

expect.set_options(timeout=1000 * WAIT_SECONDS)


@pytest.fixture(scope="session")
async def product(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WebProcess]:
    """The web process with the pages of this checkout, for all tests that leave it running."""
    WebBuilder().build()
    async with running_web(settings, tmp_path_factory.mktemp("web")) as process:
        yield process


@pytest.fixture(scope="session")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """One headless Chromium for the whole run."""
    program, environment = find_chromium(tmp_path_factory.mktemp("chromium"))
    async with async_playwright() as playwright:
        # As root there is no sandbox to be had; the pages are our own.
        started = await playwright.chromium.launch(
            executable_path=program, env=dict(environment) or None, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield started
        await started.close()


@pytest.fixture
async def open_page(browser: Browser, product: WebProcess) -> AsyncIterator[OpenPage]:
    """Open a page in a browser of its own (cookies and all), signed in as somebody or as nobody.

    An error that a page throws, or something that its security policy had to stop, fails the test.
    """
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    async def open_one(
        path: str,
        person: Person | None = None,
        width: int = 1280,
        height: int = 800,
        color_scheme: Literal["light", "dark"] = "light",
    ) -> Page:
        context = await browser.new_context(
            base_url=product.url,
            viewport={"width": width, "height": height},
            color_scheme=color_scheme,
            locale="en-GB",
            reduced_motion="reduce",
        )
        contexts.append(context)
        context.set_default_timeout(1000 * WAIT_SECONDS)
        page = await context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if "Content Security Policy" in said.text else None)
        if person is not None:
            answer = await context.request.post(
                "/api/v1/auth/login", data={"email": person.email, "password": PASSWORD}
            )
            assert answer.ok, await answer.text()
        await page.goto(path)
        return page

    yield open_one
    for context in contexts:
        await context.close()
    assert errors == []


@pytest.fixture
async def advisor(runtime: Runtime) -> Person:
    """The one advisor on duty, so that new conversations come to them."""
    async with runtime.transactions.begin() as unit:
        await unit.session.execute(update(User).where(User.role == Role.ADVISOR).values(is_active=False))
    return await create_person(runtime, Role.ADVISOR)


@pytest.fixture
async def patient(runtime: Runtime) -> Person:
    """Somebody with a question."""
    return await create_person(runtime, Role.PATIENT)


@pytest.fixture
async def desk(runtime: Runtime, product: WebProcess) -> AsyncIterator[Desk]:
    """A clinic of its own for each test, so that boards are empty at the start."""
    clinic = await create_clinic(runtime)
    staff = await create_person(runtime, Role.STAFF, clinic_ids=(clinic.clinic_id,))
    async with httpx.AsyncClient(base_url=f"{product.url}/api/v1", headers=staff.bearer) as api:
        yield Desk(clinic, staff, api)
