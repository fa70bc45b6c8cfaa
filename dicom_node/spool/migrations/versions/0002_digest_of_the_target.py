"""Jobs keep the digest of a target that the site added."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; jobs that are there aim at targets of their bundles."""
    op.add_column("jobs", sa.Column("target_digest", sa.String(64)))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("jobs", "target_digest")
