"""The pages that people look at: built by ``web/``, served as files. All data comes through the API and the socket."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from fastapi.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from core.access import PUBLIC
from core.errors import ResourceNotFound

_DIST: Final = Path(__file__).resolve().parent.parent / "web" / "dist"

_PAGES: Final = {
    "/": "index.html",
    "/sign-in": "sign-in.html",
    "/register": "register.html",
    "/reset": "reset.html",
    "/join": "join.html",
    "/board/{queue_id}": "board.html",
    "/staff": "staff.html",
    "/account": "account.html",
    "/screen": "board.html",
    "/chat": "chat.html",
    "/admin": "admin.html",
    "/people": "people.html",
    "/ticket/{link}": "ticket.html",
    "/asyncapi": "asyncapi.html",
    "/docs": "docs.html",
    "/redoc": "docs.html",
}
_DEVELOPMENT_PAGES: Final = {"/dev/outbox": "dev-outbox.html"}


class _Assets(StaticFiles):
    """Their names carry a hash of what is in them: they never change."""

    async def check_config(self) -> None:
        """Pages that are not built yet are not found, rather than a mistake of ours."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if response.status_code == 200:
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def _page(file: str) -> Callable[[], Awaitable[Response]]:
    async def page() -> Response:
        path = _DIST / file
        if not path.is_file():
            raise ResourceNotFound("The pages are not built yet: run `make run`, or `python -m ops build-web`.")
        return FileResponse(path, headers={"Cache-Control": "no-cache"})

    return page


def install_pages(app: FastAPI, *, is_development: bool) -> None:
    """One address a page, and their assets."""
    pages = {**_PAGES, **(_DEVELOPMENT_PAGES if is_development else {})}
    for address, file in pages.items():
        app.add_api_route(address, _page(file), include_in_schema=False, openapi_extra=PUBLIC.label)
    app.mount("/assets", _Assets(directory=_DIST / "assets", check_dir=False), name="assets")
