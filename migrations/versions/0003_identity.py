"""Identity: keys and screens as sessions, second factors, invitations, password resets, e-mail on its way out.

Safe on a live table because: new columns are empty or have a constant default (a change of the catalogue only), the
unique index is built CONCURRENTLY before it becomes a constraint, and checks are added NOT VALID and validated after,
which blocks no writes. ``local_messages`` is written in development only. The first part can be run again.

Revision ID: 0003
Revises: 0002
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    _extend_sessions()
    op.create_table(
        "invitations",
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("email_key", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("clinic_id", sa.Uuid(), nullable=True),
        sa.Column("invited_by", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("role IN ('doctor', 'staff', 'advisor')", name=op.f("ck_invitations_role")),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinics.id"], name=op.f("fk_invitations_clinic_id")),
        sa.ForeignKeyConstraint(["invited_by"], ["users.id"], name=op.f("fk_invitations_invited_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("digest", name=op.f("uq_invitations_digest")),
    )
    op.create_index(op.f("ix_invitations_email_key"), "invitations", ["email_key"], unique=False)
    op.create_table(
        "emails",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("to_key", sa.String(), nullable=False),
        sa.Column("invitation_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.String(), server_default="pending", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('password_reset', 'invitation')", name=op.f("ck_emails_kind")),
        sa.CheckConstraint(
            "status IN ('pending', 'sending', 'sent', 'failed', 'suppressed')", name=op.f("ck_emails_status")
        ),
        sa.CheckConstraint("kind <> 'invitation' OR invitation_id IS NOT NULL", name=op.f("ck_emails_subject")),
        sa.ForeignKeyConstraint(["invitation_id"], ["invitations.id"], name=op.f("fk_emails_invitation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_emails")),
    )
    op.create_index("ix_emails_due", "emails", ["due_at"], postgresql_where=sa.text("status IN ('pending', 'sending')"))
    op.create_index("ix_emails_to_key_created_at", "emails", ["to_key", "created_at"])
    op.create_table(
        "password_resets",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_password_resets_user_id")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_password_resets")),
    )
    op.create_index(op.f("ix_password_resets_expires_at"), "password_resets", ["expires_at"], unique=False)
    op.create_index(op.f("ix_password_resets_user_id"), "password_resets", ["user_id"], unique=False)
    op.create_table(
        "recovery_codes",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_recovery_codes_user_id")),
        sa.PrimaryKeyConstraint("user_id", "digest", name=op.f("pk_recovery_codes")),
    )
    op.create_table(
        "second_factors",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("seed", sa.LargeBinary(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_second_factors_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_second_factors")),
    )
    op.create_table(
        "screens",
        sa.Column("clinic_id", sa.Uuid(), nullable=False),
        sa.Column("queue_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("paired_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinics.id"], name=op.f("fk_screens_clinic_id")),
        sa.ForeignKeyConstraint(["paired_by"], ["users.id"], name=op.f("fk_screens_paired_by")),
        sa.ForeignKeyConstraint(["queue_id"], ["queues.id"], name=op.f("fk_screens_queue_id")),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_screens_session_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_screens")),
        sa.UniqueConstraint("session_id", name=op.f("uq_screens_session_id")),
    )
    op.create_index(op.f("ix_screens_clinic_id"), "screens", ["clinic_id"], unique=False)
    op.create_table(
        "pairings",
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("secret_digest", sa.LargeBinary(), nullable=False),
        sa.Column("screen_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["screen_id"], ["screens.id"], name=op.f("fk_pairings_screen_id")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_pairings")),
    )
    op.create_index(op.f("ix_pairings_expires_at"), "pairings", ["expires_at"], unique=False)
    op.add_column("local_messages", sa.Column("email_id", sa.Uuid(), nullable=True))
    op.alter_column("local_messages", "delivery_id", existing_type=sa.UUID(), nullable=True)
    op.create_unique_constraint(op.f("uq_local_messages_email_id"), "local_messages", ["email_id"])
    op.create_foreign_key(
        op.f("fk_local_messages_email_id"), "local_messages", "emails", ["email_id"], ["id"], ondelete="CASCADE"
    )
    op.create_check_constraint(
        op.f("ck_local_messages_source"), "local_messages", "num_nonnulls(delivery_id, email_id) = 1"
    )
    op.add_column("users", sa.Column("specialization", sa.String(), nullable=True))
    op.add_column("users", sa.Column("department", sa.String(), nullable=True))


def _extend_sessions() -> None:
    for column in (
        "kind varchar NOT NULL DEFAULT 'sign_in'",
        "label varchar NOT NULL DEFAULT ''",
        "scopes varchar[]",
        "key_digest bytea",
        "key_hint varchar NOT NULL DEFAULT ''",
    ):
        op.execute(f"ALTER TABLE sessions ADD COLUMN IF NOT EXISTS {column}")
    with op.get_context().autocommit_block():
        op.drop_index("uq_sessions_key_digest", table_name="sessions", if_exists=True, postgresql_concurrently=True)
        op.create_index("uq_sessions_key_digest", "sessions", ["key_digest"], unique=True, postgresql_concurrently=True)
    op.execute("ALTER TABLE sessions ADD CONSTRAINT uq_sessions_key_digest UNIQUE USING INDEX uq_sessions_key_digest")
    for name, condition in (
        ("ck_sessions_kind", "kind IN ('sign_in', 'api_key', 'screen')"),
        ("ck_sessions_scopes", "kind = 'sign_in' OR scopes IS NOT NULL"),
    ):
        op.execute(f"ALTER TABLE sessions ADD CONSTRAINT {name} CHECK ({condition}) NOT VALID")
        op.execute(f"ALTER TABLE sessions VALIDATE CONSTRAINT {name}")


def downgrade() -> None:
    """Undo. What signed in with a key cannot go on without one: those sessions end."""
    op.execute("UPDATE sessions SET revoked_at = now() WHERE kind <> 'sign_in' AND revoked_at IS NULL")
    op.drop_column("users", "department")
    op.drop_column("users", "specialization")
    for name in ("ck_sessions_scopes", "ck_sessions_kind"):
        op.drop_constraint(op.f(name), "sessions", type_="check")
    op.drop_constraint(op.f("uq_sessions_key_digest"), "sessions", type_="unique")
    op.drop_column("sessions", "key_hint")
    op.drop_column("sessions", "key_digest")
    op.drop_column("sessions", "scopes")
    op.drop_column("sessions", "label")
    op.drop_column("sessions", "kind")
    op.drop_constraint(op.f("ck_local_messages_source"), "local_messages", type_="check")
    op.execute("DELETE FROM local_messages WHERE delivery_id IS NULL")
    op.drop_constraint(op.f("fk_local_messages_email_id"), "local_messages", type_="foreignkey")
    op.drop_constraint(op.f("uq_local_messages_email_id"), "local_messages", type_="unique")
    op.alter_column("local_messages", "delivery_id", existing_type=sa.UUID(), nullable=False)
    op.drop_column("local_messages", "email_id")
    op.drop_index(op.f("ix_pairings_expires_at"), table_name="pairings")
    op.drop_table("pairings")
    op.drop_index(op.f("ix_screens_clinic_id"), table_name="screens")
    op.drop_table("screens")
    op.drop_table("second_factors")
    op.drop_table("recovery_codes")
    op.drop_index(op.f("ix_password_resets_user_id"), table_name="password_resets")
    op.drop_index(op.f("ix_password_resets_expires_at"), table_name="password_resets")
    op.drop_table("password_resets")
    op.drop_table("emails")
    op.drop_index(op.f("ix_invitations_email_key"), table_name="invitations")
    op.drop_table("invitations")
