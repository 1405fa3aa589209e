"""Structured logs: ids, never contents. ``console`` for people, ``json`` for machines."""

import logging
import sys
import traceback
from typing import Final

import structlog
from structlog.typing import ExcInfo

from core.settings import Settings

# Lines that say every few seconds that nothing happened; what tasks did, they say themselves.
_CHATTY = (
    "sqlalchemy.engine",
    "twilio",
    "httpx",
    "celery.beat",
    "celery.app.trace",
    "celery.worker.strategy",
)

# What these say is about the program. Others repeat what they were given: a statement's parameters, a field's value.
_SPEAK_OF_CODE: Final = (OSError, RuntimeError, AssertionError, AttributeError, TypeError, NameError, ImportError)


def _line_of(error: BaseException) -> str:
    """The kind of an error, and what it says where that is about the program."""
    kind = type(error)
    if kind.__module__ != "builtins":
        # Libraries build on these as well, and put more in: an address that a mail server refused.
        return f"{kind.__module__}.{kind.__qualname__}"
    return f"{kind.__qualname__}: {error}" if isinstance(error, _SPEAK_OF_CODE) else kind.__qualname__


def _without_words(record: logging.LogRecord) -> bool:
    """Libraries write errors into their messages too; there as well only the kind stays."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(record.args, tuple):
        record.args = tuple(_line_of(value) if isinstance(value, BaseException) else value for value in record.args)
    elif record.args and record.name.startswith("celery.") and "exc" in record.args:
        # Celery has put the error's repr there.
        record.args = {**record.args, "exc": _line_of(error) if error else "(an error)"}
    if record.name == "asyncio" and error is not None:
        # The first line says what happened; the next ones are reprs, of a task with its error.
        record.msg, record.args = record.getMessage().partition("\n")[0], ()
    return True


def _told(exc_info: ExcInfo) -> str:
    """A traceback without the words of errors, which may be a patient's: where it happened, and what came before."""
    parts: list[str] = []
    error: BaseException | None = exc_info[1]
    while error is not None:
        parts.append("".join(traceback.format_tb(error.__traceback__)) + _line_of(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\nwhich came after\n".join(parts)


def configure_logging(settings: Settings) -> None:
    """Send structlog and the standard library's loggers through one formatter to standard error."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_without_words)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.ExceptionRenderer(_told),
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "celery"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger by module name; call it as ``log.info("ticket_called", ticket_id=…)``."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger
