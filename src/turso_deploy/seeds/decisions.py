"""What a deployment does with the seed rows of a table: which it inserts, which update a row, which leave one alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

from turso_deploy.core.errors import Place
from turso_deploy.core.transaction import Value
from turso_deploy.seeds.packed_rows import SeedRow
from turso_deploy.seeds.upsert import any_of, differs, qualified

Policy = Literal["compare", "update", "keep"]
"""What happens to existing rows: decided row by row, always updated, or never touched."""

Key = tuple[Value, ...]


class LiveTable(NamedTuple):
    """A table as it is before the deployment: its name, and its columns by their names in the schema folder.

    `defaults` holds the SQL of what a column that the deployment adds holds in existing rows, by its name in the schema
    folder. `rowid` is a name of the rowid, None if there is none. If the deployment changes values, or how they are
    compared, `projection` is the subquery that gives both: the values as they are under the names `before`, and as they
    will be under their names in the schema folder, which `after` lists.
    """

    name: str
    columns: Mapping[str, str]
    defaults: Mapping[str, str]
    rowid: str | None
    projection: str | None = None
    before: Mapping[str, str] = {}
    after: Mapping[str, str] = {}

    def rows_as(self, alias: str) -> str:
        """Return the rows under an alias, to follow FROM or JOIN."""
        return f"{self.projection or qualified(self.name)} AS {alias}"

    @property
    def values_before(self) -> Mapping[str, str]:
        """The columns of `rows_as` with the values that the table holds, by the names in the schema folder."""
        return self.before if self.projection else self.columns

    @property
    def values_after(self) -> Mapping[str, str]:
        """The columns of `rows_as` with the values that seeds meet, by the names in the schema folder."""
        return self.after if self.projection else self.columns


class Conflict(NamedTuple):
    """A seed row with a UNIQUE value that another live row has. `position` counts the rows of the file, sorted.

    With `other_form` the live row has the same key, as a number in place of a text or the other way round.
    """

    position: int
    columns: tuple[str, ...]
    place: Place
    live_row: str
    other_form: bool = False


class Move(NamedTuple):
    """A seed row that gives up its value in a column before another row gets it."""

    position: int
    column: str


class LeftRow(NamedTuple):
    """A row that was seeded and that the file has no longer: the columns of its key, and their values."""

    columns: tuple[str, ...]
    key: Key


class Decision(NamedTuple):
    """What a deployment does with the seed rows of one table. Positions count the rows of the file in their order.

    `live` is None if no row of the table exists before the deployment. `kept` are the positions of rows that are not
    written if they exist, `before` the live values of the rows that are overwritten because they hold what was seeded,
    `overwritten` the positions of rows that hold something else (in a table without a record of up to ten of them, of
    `overwritten_count`). `moved` are rows whose UNIQUE values another row needs first, and `waits` maps such another
    row to the last one that it needs a value of, if that comes later. `is_guarded` is True if the transaction must not
    overwrite any other row. `undecided` are sentences about what was not compared.
    """

    table: str
    policy: Policy
    live: LiveTable | None = None
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    kept: frozenset[int] = frozenset()
    kept_count: int = 0
    before: Mapping[int, SeedRow] = {}
    overwritten: tuple[int, ...] = ()
    overwritten_count: int = 0
    moved: tuple[Move, ...] = ()
    waits: Mapping[int, int] = {}
    conflicts: tuple[Conflict, ...] = ()
    left: tuple[LeftRow, ...] = ()
    is_guarded: bool = False
    left_columns: Mapping[int, frozenset[str]] = {}
    """The columns of a row that triggers assign and the file did not change: the row keeps its values."""
    stored: Mapping[int, Mapping[str, int | None]] = {}
    """What to record of the values that triggers assigned to a row, by column, where the deployment writes none."""
    empty_table: str | None = None
    """The name of the table before the deployment, if it exists and had no rows."""
    empty_before: int = 0
    """The position of the first row of the file that is not deployed, at the time when the table was empty."""
    undecided: tuple[str, ...] = ()

    def updated_between(self, first: int, stop: int) -> int:
        """Return the number of rows to update from position `first` to before `stop`; all of them if it is unknown."""
        known = (*self.before, *self.overwritten)
        return sum(first <= position < stop for position in known) if len(known) == self.updated else self.updated


NO_DECISIONS: Mapping[str, Decision] = MappingProxyType({})


def seed_label(table: str) -> str:
    """Return the label of the steps that write the seed rows of a table."""
    return f"seed {table}"


def existing_label(table: str) -> str:
    """Return the label of the steps that count the seed rows of a table that exist before they are written."""
    return f"seed rows of {table} that exist"


def differs_from_live(columns: Sequence[str], live: LiveTable, values: Mapping[str, str]) -> str:
    """Return the condition that the live row `live` has other values than a seed row.

    A column that the deployment adds has its default in a live row.
    """
    after = live.values_after
    existing = differs("live", {after[name]: values[name] for name in columns if name in after})
    added = [f"{values[name]} IS NOT ({live.defaults[name]})" for name in columns if name in live.defaults]
    return any_of([existing, *added])
