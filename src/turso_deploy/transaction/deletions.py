"""A possible deletion, as a value: a table that may lose rows, what deletes them, and what is written meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from turso_deploy.core.errors import Place
from turso_deploy.sql.schema import AnyTable


class Writer(NamedTuple):
    """The seeds of one table, or the statement of a script at `position`: what makes others delete rows."""

    place: Place
    position: int | None = None


class PossibleDeletion(NamedTuple):
    """A table whose rows may be deleted while a writer writes to another table, or to others of its rows.

    `by` names what deletes them. With `replaces` a REPLACE may delete rows, for which no trigger fires.
    """

    table: AnyTable
    writer: Writer
    by: str
    replaces: bool = False
    trigger_place: Place | None = None

    def __str__(self) -> str:
        """Return a clause: `the trigger tidy may delete rows of orders because of schema/seeds/t.csv`."""
        return f"{self.by} may delete rows of {self.table.name} because of {self.writer.place}"


def first_of_each(deletions: Iterable[PossibleDeletion]) -> tuple[PossibleDeletion, ...]:
    """Return the first deletion of each table by each trigger or foreign key, to report it once."""
    first: dict[tuple[str, str], PossibleDeletion] = {}
    for deletion in deletions:
        first.setdefault((deletion.table.name, deletion.by), deletion)
    return tuple(first.values())
