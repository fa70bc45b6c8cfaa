"""How Alembic reaches the ledger: over the connection that `database.py` hands it."""

from alembic import context

from dicom_node.spool.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
