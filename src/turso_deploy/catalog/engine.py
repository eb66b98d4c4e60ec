"""The functions and modules that the engine of a database has, which differ between SQLite, libSQL and Turso."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from turso_deploy.core.transaction import Failure, Query, Rows

# As one text each, because every value of a reply has a frame. A read-only token may ask:
# https://www.sqlite.org/pragma.html#pragma_function_list
FUNCTIONS_QUERY = Query("SELECT json_group_array(DISTINCT lower(name) || ' ' || narg) FROM pragma_function_list")
MODULES_QUERY = Query("SELECT json_group_array(lower(name)) FROM pragma_module_list")


class Engine(NamedTuple):
    """The numbers of arguments of each function (negative for any number), and the modules, all by folded name."""

    functions: Mapping[str, frozenset[int]]
    modules: frozenset[str]

    @property
    def is_tursos_own(self) -> bool:
        """True for the engine that Turso wrote itself: only that one has this function."""
        return "turso_version" in self.functions


def read_engine(functions: Rows | Failure, modules: Rows | Failure) -> Engine | None:
    """Return the engine from the answers to its two queries; None if it does not list its functions.

    Raises ValueError or another error of a value for an unexpected answer.
    """
    if isinstance(functions, Failure):
        return None
    numbers: dict[str, set[int]] = {}
    for text in _texts(functions):
        name, _, number = text.rpartition(" ")
        numbers.setdefault(name, set()).add(int(number))
    if not numbers:
        return None
    known = frozenset() if isinstance(modules, Failure) else frozenset(_texts(modules))
    return Engine({name: frozenset(found) for name, found in numbers.items()}, known)


def _texts(rows: Rows) -> list[str]:
    [[value]] = rows.rows
    found = json.loads(str(value))
    if not isinstance(found, list):
        raise ValueError("expected a JSON array")
    return list(map(str, found))
