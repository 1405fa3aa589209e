"""Notifications can be removed by their person; deliveries of unknown outcome are swept; unread and old rows are found.

Safe on a live table because: the new column is empty (a change of the catalogue only), and the indexes are built
CONCURRENTLY, outside of a transaction. A build that broke off leaves an invalid index, which a repeated run replaces.

Revision ID: 0002
Revises: 0001
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_SWEPT = "status IN ('pending', 'sending', 'failed', 'unknown')"
_SWEPT_BEFORE = "status IN ('pending', 'sending', 'failed')"


def upgrade() -> None:
    """Apply."""
    op.execute("ALTER TABLE notifications ADD COLUMN IF NOT EXISTS removed_at timestamptz")
    _replace_index(_SWEPT)
    with op.get_context().autocommit_block():
        op.drop_index("ix_events_at", table_name="events", if_exists=True, postgresql_concurrently=True)
        op.create_index("ix_events_at", "events", ["at"], postgresql_using="brin", postgresql_concurrently=True)
        op.drop_index(
            "ix_notifications_unread", table_name="notifications", if_exists=True, postgresql_concurrently=True
        )
        op.create_index(
            "ix_notifications_unread",
            "notifications",
            ["user_id"],
            postgresql_where=sa.text("read_at IS NULL"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    """Undo."""
    with op.get_context().autocommit_block():
        op.drop_index(
            "ix_notifications_unread", table_name="notifications", if_exists=True, postgresql_concurrently=True
        )
        op.drop_index("ix_events_at", table_name="events", if_exists=True, postgresql_concurrently=True)
    _replace_index(_SWEPT_BEFORE)
    op.drop_column("notifications", "removed_at")


def _replace_index(condition: str) -> None:
    with op.get_context().autocommit_block():
        op.drop_index("ix_deliveries_due", table_name="deliveries", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            "ix_deliveries_due",
            "deliveries",
            ["due_at"],
            postgresql_where=sa.text(condition),
            postgresql_concurrently=True,
        )
