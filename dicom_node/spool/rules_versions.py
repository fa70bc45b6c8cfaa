"""Every rules file that was in force, as the ledger keeps it: when, whose, and its text."""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, insert, select

from dicom_node.errors import NotFound
from dicom_node.spool.tables import rules_table


@dataclass(frozen=True, slots=True)
class RulesVersion:
    """One text that was in force.

    Attributes
    ----------
    number
        Counts from 1.
    published
        UTC.
    author
        Name of the account that wrote the file.
    digest
        SHA-256 of the text.
    text
        All of the file.
    """

    number: int
    published: datetime
    author: str
    digest: str
    text: str

    def difference(self, before: RulesVersion | None) -> str:
        """Return what changed since another version, as a unified diff."""
        old = before.text if before else ""
        names = (f"version {before.number}" if before else "nothing", f"version {self.number}")
        lines = difflib.unified_diff(old.splitlines(), self.text.splitlines(), *names, lineterm="")
        return "\n".join(lines)


class RulesVersions:
    """The versions, oldest first.

    Parameters
    ----------
    engine
        From `open_database`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(only_reads=True)

    def publish(self, text: str, *, author: str, at: datetime) -> int | None:
        """Keep a text that comes into force, and return its number; None when it is that of the last version."""
        digest = digest_of(text)
        newest = select(rules_table.c.number, rules_table.c.digest).order_by(rules_table.c.number.desc()).limit(1)
        with self._engine.begin() as connection:
            last = connection.execute(newest).one_or_none()
            if last is not None and last.digest == digest:
                return None
            number = 1 if last is None else int(last.number) + 1
            row = {"number": number, "published": at, "author": author, "digest": digest, "text": text}
            connection.execute(insert(rules_table).values(row))
            return number

    def all(self) -> list[RulesVersion]:
        """Return all versions, oldest first."""
        with self._reader.connect() as connection:
            rows = connection.execute(select(rules_table).order_by(rules_table.c.number)).mappings().all()
        return [RulesVersion(**row) for row in rows]

    def get(self, number: int) -> RulesVersion:
        """Return one version.

        Raises
        ------
        NotFound
            When there is none of that number.
        """
        found = next((version for version in self.all() if version.number == number), None)
        if found is None:
            raise NotFound(f"no version {number} of the rules: `dicom-node rules history` shows which there are")
        return found


def digest_of(text: str) -> str:
    """Return the SHA-256 of a text, by which versions are compared."""
    return hashlib.sha256(text.encode()).hexdigest()
