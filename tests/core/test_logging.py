"""What of an error goes into the log: where it happened and what kind it is, never the words that it was about."""

import json
import logging
from collections.abc import Callable, Iterator
from io import StringIO

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.logging import configure_logging
from core.runtime import Runtime
from core.settings import Settings

WORDS = "the-patient-says-it-hurts"


@pytest.fixture
def said(settings: Settings) -> Iterator[Callable[[], list[str]]]:
    """What the lines of the log say of exceptions."""
    root = logging.getLogger()
    handlers, level, before = root.handlers[:], root.level, structlog.get_config()
    configure_logging(settings.model_copy(update={"log_format": "json"}))
    [ours], lines = root.handlers, StringIO()
    assert isinstance(ours, logging.StreamHandler)
    ours.setStream(lines)
    yield lambda: [json.loads(line)["exception"] for line in lines.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**before)


async def _fail(runtime: Runtime) -> None:
    async with runtime.database.session() as session:
        await session.execute(text("SELECT CAST(:words AS uuid)"), {"words": WORDS})


async def test_the_words_of_a_failed_statement_are_not_logged(runtime: Runtime, said: Callable[[], list[str]]) -> None:
    with pytest.raises(DBAPIError, match=WORDS) as failed:
        await _fail(runtime)
    structlog.stdlib.get_logger("ours").error("statement_failed", exc_info=failed.value)
    logging.getLogger("theirs").error("it failed", exc_info=failed.value)
    ours, theirs = said()
    assert ours == theirs
    assert WORDS not in ours
    # What and where, and what came before it.
    assert "sqlalchemy.exc.DBAPIError" in ours
    assert "in _fail" in ours
    assert "asyncpg" in ours


def test_what_a_program_says_about_itself_is_logged(said: Callable[[], list[str]]) -> None:
    logging.getLogger("theirs").error("it failed", exc_info=RuntimeError("reactions go round in circles"))
    assert said() == ["RuntimeError: reactions go round in circles"]
