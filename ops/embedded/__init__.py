"""Real Postgres and Redis servers that come as Python packages, for development and tests.

This package imports nothing else of Carebell, so that every test may use it.
"""

from ops.embedded.errors import EmbeddedServerError
from ops.embedded.place import throwaway_folder
from ops.embedded.postgres import EmbeddedPostgres
from ops.embedded.redis import EmbeddedRedis

__all__ = ["EmbeddedPostgres", "EmbeddedRedis", "EmbeddedServerError", "throwaway_folder"]
