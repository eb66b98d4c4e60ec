"""Table-valued functions for a connection: SQLite asks for their rows in place of a table's.

https://www.sqlite.org/vtab.html#table_valued_functions
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import apsw

Value = None | int | float | str | bytes


class TableFunction(NamedTuple):
    """The columns of the rows, the parameters, and the function that returns the rows for some arguments.

    An argument that is not given is None. One that is `direct_only` cannot be used in views and triggers.
    """

    columns: tuple[str, ...]
    parameters: tuple[str, ...]
    rows: Callable[..., Iterable[tuple[Value, ...]]]
    direct_only: bool = False


class Module:
    """A table-valued function in the form that apsw expects: module, table and cursor of it."""

    def __init__(self, function: TableFunction) -> None:
        self._function = function

    def Connect(  # noqa: N802
        self, connection: apsw.Connection, _module: str, _database: str, _table: str, *_arguments: str
    ) -> tuple[str, _Table]:
        """Return the declaration of the table, in which the parameters are hidden columns."""
        if self._function.direct_only:  # https://www.sqlite.org/c3ref/c_vtab_constraint_support.html
            connection.vtab_config(apsw.SQLITE_VTAB_DIRECTONLY)
        hidden = (f"{name} HIDDEN" for name in self._function.parameters)
        return f"CREATE TABLE x({', '.join((*self._function.columns, *hidden))})", _Table(self._function)

    Create = Connect


class _Table:
    def __init__(self, function: TableFunction) -> None:
        self._function = function

    def BestIndexObject(self, info: apsw.IndexInfo) -> bool:  # noqa: N802
        """Ask for the value of each parameter that is given, and note which these are."""
        first, given = len(self._function.columns), []
        for number in range(info.nConstraint):
            column = info.get_aConstraint_iColumn(number)
            if column >= first and info.get_aConstraint_op(number) == apsw.SQLITE_INDEX_CONSTRAINT_EQ:
                if not info.get_aConstraint_usable(number):
                    return False
                given.append(str(column - first))
                info.set_aConstraintUsage_argvIndex(number, len(given))
                info.set_aConstraintUsage_omit(number, True)
        info.idxStr = ",".join(given)
        return True

    def Open(self) -> _Cursor:  # noqa: N802
        return _Cursor(self._function)

    def Disconnect(self) -> None:  # noqa: N802
        """Do nothing: the table holds nothing."""

    Destroy = Disconnect


class _Cursor:
    def __init__(self, function: TableFunction) -> None:
        self._function = function
        self._rows: Iterator[tuple[Value, ...]] = iter(())
        self._row: tuple[Value, ...] | None = None
        self._given: dict[int, Value] = {}
        self._number = 0

    def Filter(self, _number: int, names: str | None, values: tuple[Value, ...]) -> None:  # noqa: N802
        """Begin with the first row for these arguments."""
        places = [int(place) for place in (names or "").split(",") if place]
        self._given = dict(zip(places, values, strict=True))
        arguments = [self._given.get(place) for place in range(len(self._function.parameters))]
        self._rows, self._number = iter(self._function.rows(*arguments)), 0
        self.Next()

    def Eof(self) -> bool:  # noqa: N802
        return self._row is None

    def Column(self, number: int) -> Value:  # noqa: N802
        assert self._row is not None
        if number < 0:
            return self._number
        visible = len(self._row)
        return self._row[number] if number < visible else self._given.get(number - visible)

    def Rowid(self) -> int:  # noqa: N802
        return self._number

    def Next(self) -> None:  # noqa: N802
        self._row, self._number = next(self._rows, None), self._number + 1

    def Close(self) -> None:  # noqa: N802
        """Do nothing: the cursor holds nothing."""
