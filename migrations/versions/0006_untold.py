"""Threads know from which message on nobody was told yet: notifications of messages leave the hot transaction.

Safe on a live table because: the new column is empty (a change of the catalogue only), which says of every thread that
all was told, and the index is built CONCURRENTLY, outside of a transaction. Processes of the release before leave the
column empty and tell in the transaction that sends. The upgrade can be run again.

Revision ID: 0006
Revises: 0005
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.execute("ALTER TABLE threads ADD COLUMN IF NOT EXISTS untold_seq bigint")
    with op.get_context().autocommit_block():
        op.drop_index("ix_threads_untold", table_name="threads", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            "ix_threads_untold",
            "threads",
            ["id"],
            postgresql_where=sa.text("untold_seq IS NOT NULL"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    """Undo."""
    with op.get_context().autocommit_block():
        op.drop_index("ix_threads_untold", table_name="threads", if_exists=True, postgresql_concurrently=True)
    op.drop_column("threads", "untold_seq")
