"""Opens the ledger's database and brings its tables up to date."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, inspect, select, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from dicom_node.errors import RefusedToStart

MIGRATIONS = Path(__file__).with_name("migrations")
SCHEMA_REVISION = "0005_paces"
"""The newest revision in migrations/versions; a test holds the two together."""


def open_database(url: str) -> Engine:
    """Return an engine on a database whose tables are up to date.

    Parameters
    ----------
    url
        SQLAlchemy URL: ``sqlite:///…`` or ``postgresql+psycopg://…``.

    Raises
    ------
    RefusedToStart
        When it cannot be opened, or was written by a newer version.
    """
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        _make_durable(engine)
    try:
        found = _revision(engine)
        if found != SCHEMA_REVISION:
            _upgrade(engine, found)
    except SQLAlchemyError as error:
        raise RefusedToStart(f"database_url: the ledger cannot be opened: {type(error).__name__}") from error
    return engine


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(select(text("version_num")).select_from(text("alembic_version"))).scalar()


def _upgrade(engine: Engine, found: str | None) -> None:
    # alembic takes a third of a second to import: only a ledger that is not up to date pays for it
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise RefusedToStart("database_url: the ledger was written by a newer version of the node: install that one")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _make_durable(engine: Engine) -> None:
    """Have SQLite survive power cuts, and let readers and one writer work at the same time."""

    @event.listens_for(engine, "connect")
    def set_pragmas(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # transactions begin below, not in the driver
        cursor = connection.cursor()
        # https://sqlite.org/pragma.html: in WAL mode only FULL syncs the log at every commit
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # a deferred transaction that reads and then writes can fail with SQLITE_BUSY at once; this one waits its turn
        only_reads = connection.get_execution_options().get("only_reads")
        connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")
