"""Versions of the rules, facts of the last stacks, and the window in which a job may begin."""

import sqlalchemy as sa
from alembic import op

revision = "0004_rules"
down_revision = "0003_messages"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; jobs that are there may begin at any time."""
    op.add_column("jobs", sa.Column("window", sa.Text))
    op.create_table(
        "rules_versions",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("published", sa.DateTime, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_table(
        "stack_facts",
        sa.Column("series_uid", sa.String(64), sa.ForeignKey("series.series_uid"), primary_key=True),
        sa.Column("stack", sa.Text, primary_key=True),
        sa.Column("routed", sa.DateTime, nullable=False, index=True),
        sa.Column("header", sa.JSON, nullable=False),
        sa.Column("derived", sa.JSON, nullable=False),
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_table("stack_facts")
    op.drop_table("rules_versions")
    op.drop_column("jobs", "window")
