"""When people want no SMS that can wait.

Safe on a live table because: it adds columns without a default to a small table, which rewrites nothing, and the check
holds for every row there is. Processes of the release before do not read them.

Revision ID: 0009
Revises: 0008
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.add_column("notification_preferences", sa.Column("quiet_from", sa.Time(), nullable=True))
    op.add_column("notification_preferences", sa.Column("quiet_to", sa.Time(), nullable=True))
    op.add_column("notification_preferences", sa.Column("time_zone", sa.String(), nullable=True))
    op.create_check_constraint(
        op.f("ck_notification_preferences_quiet_hours"),
        "notification_preferences",
        "num_nulls(quiet_from, quiet_to, time_zone) IN (0, 3)",
    )


def downgrade() -> None:
    """Undo."""
    op.drop_constraint(op.f("ck_notification_preferences_quiet_hours"), "notification_preferences")
    for column in ("quiet_from", "quiet_to", "time_zone"):
        op.drop_column("notification_preferences", column)
