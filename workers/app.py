"""The Celery application: ``celery -A workers.app worker`` and ``celery -A workers.app beat``."""

import runpy
from pathlib import Path
from typing import Any, Final

from celery import Celery
from celery.signals import setup_logging

from core.logging import configure_logging
from core.settings import Settings, get_settings
from workers.broker import broker

# By path: a name with a dot in it cannot be imported.
_CONSTANTS: Final = Path(__file__).resolve().parent.parent / "celery.conf.py"


def create_celery(settings: Settings) -> Celery:
    """An application with the constants of ``celery.conf.py`` and Redis as its broker."""
    constants = {name: value for name, value in runpy.run_path(str(_CONSTANTS)).items() if not name.startswith("_")}
    celery = Celery("carebell", set_as_current=False)
    celery.config_from_object(constants | broker(settings.celery_broker_url.get_secret_value(), constants))
    return celery


app: Final = create_celery(get_settings())


@setup_logging.connect
def _set_up_logging(**_: Any) -> None:
    """Connected, so that Celery leaves logging alone."""
    configure_logging(get_settings())
