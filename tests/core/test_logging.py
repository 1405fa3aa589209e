"""What of an error goes into the log: where it happened and what kind it is, never the words that it was about."""

import asyncio
import gc
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO

import pytest
import structlog
from celery import Celery
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.logging import configure_logging
from core.runtime import Runtime
from core.settings import Settings

WORDS = "the-patient-says-it-hurts"


@pytest.fixture
def said(settings: Settings) -> Iterator[Callable[[], list[str]]]:
    """What the lines of the log say of exceptions."""
    with _logging_into(settings) as lines:
        yield lambda: [json.loads(line)["exception"] for line in lines.getvalue().splitlines()]


@pytest.fixture
def log(settings: Settings) -> Iterator[StringIO]:
    """All that is logged."""
    with _logging_into(settings) as lines:
        yield lines


@contextmanager
def _logging_into(settings: Settings) -> Iterator[StringIO]:
    root = logging.getLogger()
    handlers, level, before = root.handlers[:], root.level, structlog.get_config()
    configure_logging(settings.model_copy(update={"log_format": "json"}))
    [ours], lines = root.handlers, StringIO()
    assert isinstance(ours, logging.StreamHandler)
    ours.setStream(lines)
    yield lines
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


async def test_a_failed_statement_does_not_hold_its_parameters(runtime: Runtime) -> None:
    with pytest.raises(DBAPIError) as failed:
        async with runtime.database.session() as session:
            await session.execute(text("SELECT 1 / length(:words) - length(:words) / 0"), {"words": WORDS})
    assert WORDS not in str(failed.value)
    assert "SQL parameters hidden" in str(failed.value)
    assert "[parameters:" not in str(failed.value)


async def test_what_celery_says_of_a_failed_task_is_without_words(runtime: Runtime, log: StringIO) -> None:
    with pytest.raises(DBAPIError, match=WORDS) as failed:
        await _fail(runtime)

    celery = Celery("of-this-test", set_as_current=False)

    @celery.task(name="of_this_test")
    def fail() -> None:
        raise failed.value

    fail.apply()
    [line] = log.getvalue().splitlines()
    assert WORDS not in line
    said = json.loads(line)
    assert said["event"].startswith("Task of_this_test[")
    assert said["event"].endswith("raised unexpected: sqlalchemy.exc.DBAPIError")
    assert "in _fail" in said["exception"]


async def test_libraries_that_write_errors_into_their_messages_tell_no_words(log: StringIO) -> None:
    async def fail() -> None:
        raise ValueError(WORDS)

    logging.getLogger("theirs").error("Task handler raised error: %r", ValueError(WORDS))
    task = asyncio.create_task(fail())
    await asyncio.wait([task])
    # Nobody asks what came of it: asyncio says so with a repr of the task, which has that of its error.
    del task
    gc.collect()
    theirs, of_asyncio = log.getvalue().splitlines()
    assert WORDS not in theirs + of_asyncio
    assert json.loads(theirs)["event"] == "Task handler raised error: 'ValueError'"
    assert json.loads(of_asyncio)["event"] == "Task exception was never retrieved"
