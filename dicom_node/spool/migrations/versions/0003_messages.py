"""Storage commitment requests, performed procedure steps, associations, and audit messages on their way."""

import sqlalchemy as sa
from alembic import op

revision = "0003_messages"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "commitments",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("transaction_uid", sa.String(64), nullable=False, index=True),
        sa.Column("requestor", sa.String(16), nullable=False),
        sa.Column("peer", sa.String(64), nullable=False),
        sa.Column("references", sa.JSON, nullable=False),
        sa.Column("received", sa.DateTime, nullable=False),
        sa.Column("next_attempt", sa.DateTime, nullable=False),
        sa.Column("duplicate", sa.Boolean, nullable=False),
        sa.Column("state", sa.String(16), nullable=False, index=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text),
    )
    op.create_table(
        "performed_steps",
        sa.Column("uid", sa.String(64), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("calling_ae", sa.String(16), nullable=False),
        sa.Column("created", sa.DateTime, nullable=False),
        sa.Column("changed", sa.DateTime, nullable=False),
    )
    op.create_table(
        "performed_series",
        sa.Column("step_uid", sa.String(64), sa.ForeignKey("performed_steps.uid"), primary_key=True),
        sa.Column("series_uid", sa.String(64), primary_key=True, index=True),
        sa.Column("instances", sa.JSON, nullable=False),
    )
    op.create_table(
        "associations",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("started_at", sa.DateTime, nullable=False),
        sa.Column("ended_at", sa.DateTime, nullable=False, index=True),
        sa.Column("peer", sa.String(64), nullable=False),
        sa.Column("calling_ae", sa.String(16), nullable=False),
        sa.Column("called_ae", sa.String(16), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("tls", sa.Boolean, nullable=False),
        sa.Column("instances", sa.Integer, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("refused_instances", sa.Integer, nullable=False),
    )
    op.create_table(
        "audit_messages",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Remove them."""
    for table in ("audit_messages", "associations", "performed_series", "performed_steps", "commitments"):
        op.drop_table(table)
