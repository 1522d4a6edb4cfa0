"""Settings, profile types and allowed indices, with every content that they ever had."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# The specification's profile types: calls a minute, an hour and a day, and priority.
FIRST_PROFILE_TYPES = {
    "basic": (10, 100, 500, 5),
    "premium": (60, 1000, 10_000, 6),
    "enterprise": (300, 10_000, 100_000, 8),
    "admin": (1000, 10_000, 100_000, 10),
}


def upgrade() -> None:
    policy_table("profile_types", "name", 50)
    policy_table("settings", "key", 100)
    policy_table("indices", "name", 255)
    op.add_column(
        "users", sa.Column("inherits", sa.ARRAY(sa.String(length=30)), server_default=sa.text("'{}'"), nullable=False)
    )
    op.add_column("users", sa.Column("session_version", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.create_table(
        "policy_versions",
        sa.Column("subject", sa.String(length=20), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("changed_by", sa.Uuid(), nullable=True),
        sa.Column(
            "changed_at", sa.DateTime(timezone=True), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False
        ),
        sa.CheckConstraint("subject IN ('profile_type', 'setting', 'index')", name=op.f("ck_policy_versions_subject")),
        sa.PrimaryKeyConstraint("subject", "key", "revision", name=op.f("pk_policy_versions")),
    )
    make_first_profile_types()
    op.drop_constraint(op.f("ck_users_profile_type"), "users")
    op.create_foreign_key(op.f("fk_users_profile_type"), "users", "profile_types", ["profile_type"], ["name"])
    # What nobody ever chose is now the profile type's to decide.
    op.execute(
        "UPDATE users SET inherits = array_remove(ARRAY["
        "CASE WHEN rate_limit_per_minute = 10 THEN 'rate_limit_per_minute' END,"
        "CASE WHEN rate_limit_per_hour = 100 THEN 'rate_limit_per_hour' END,"
        "CASE WHEN rate_limit_per_day = 500 THEN 'rate_limit_per_day' END,"
        "CASE WHEN priority = 5 THEN 'priority' END], NULL) WHERE role <> 'admin'"
    )


def make_first_profile_types() -> None:
    for revision_number, (name, limits) in enumerate(FIRST_PROFILE_TYPES.items(), start=1):
        names = ("rate_limit_per_minute", "rate_limit_per_hour", "rate_limit_per_day", "priority")
        content = {
            "description": "",
            **dict(zip(names, limits, strict=True)),
            "soft": False,
            "query_kinds": ["*"],
            "indices": ["*"],
            "max_result_bytes": 33_554_432,
        }
        values = {"name": name, "content": json.dumps(content), "revision": revision_number}
        op.get_bind().execute(
            sa.text(
                "INSERT INTO profile_types (name, content, revision) VALUES (:name, CAST(:content AS jsonb), :revision)"
            ),
            values,
        )
        op.get_bind().execute(
            sa.text(
                "INSERT INTO policy_versions (subject, key, revision, content)"
                " VALUES ('profile_type', :name, :revision, CAST(:content AS jsonb))"
            ),
            values,
        )
    op.get_bind().execute(
        sa.text("INSERT INTO revision_counters (kind, revision) VALUES ('profile_types', :last)"),
        {"last": len(FIRST_PROFILE_TYPES)},
    )


def policy_table(name: str, key: str, length: int) -> None:
    op.create_table(
        name,
        sa.Column(key, sa.String(length=length), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("is_deleted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "changed_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("row_digest", sa.LargeBinary(), nullable=True),
        sa.Column("import_batch_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint(key, name=op.f(f"pk_{name}")),
    )


def downgrade() -> None:
    op.drop_constraint(op.f("fk_users_profile_type"), "users")
    op.create_check_constraint(
        op.f("ck_users_profile_type"), "users", "profile_type IN ('basic', 'premium', 'enterprise', 'admin')"
    )
    op.execute("DELETE FROM revision_counters WHERE kind = 'profile_types'")
    op.drop_table("policy_versions")
    op.drop_column("users", "session_version")
    op.drop_column("users", "inherits")
    op.drop_table("indices")
    op.drop_table("settings")
    op.drop_table("profile_types")
