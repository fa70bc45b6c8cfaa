"""What is known of how senders pace their images."""

import sqlalchemy as sa
from alembic import op

revision = "0005_paces"
down_revision = "0004_rules"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "paces",
        sa.Column("calling_ae", sa.String(16), primary_key=True),
        sa.Column("pauses_s", sa.JSON, nullable=False),
    )


def downgrade() -> None:
    """Remove it."""
    op.drop_table("paces")
