"""What a database may hold between two chunks of its seeds, where a deployment of several transactions was cut off."""

from __future__ import annotations

import json
from typing import Any

from turso_deploy.catalog.catalog import HISTORY_TABLE

OLD, NEW = "Book", "Volume"
_VERSION, _SEEDS = 1, 4  # of a row of the deployment history without id and time


def rows_between(state: Any, after: Any) -> int | None:
    """How many of the new books are in, when nothing but the rest of them is missing; None when that is not so."""
    if state["catalog"] != after["catalog"]:
        return None
    rows = sum(NEW in str(book) for book in state["books"])
    old = [tuple(cell.replace(NEW, OLD) if isinstance(cell, str) else cell for cell in book) for book in after["books"]]
    last = state[HISTORY_TABLE][-1]
    expected = after | {"books": [*after["books"][:rows], *old[rows:]], HISTORY_TABLE: state[HISTORY_TABLE]}
    is_marked = json.loads(last[_SEEDS])["books"].endswith(f":{rows}")
    return rows if state == expected and is_marked and last[_VERSION] != after[HISTORY_TABLE][-1][_VERSION] else None


def is_reached(state: Any, after: Any) -> bool:
    """Whether all is as after a deployment that nothing disturbed, but for rows in the history of those that were."""
    last, expected = state[HISTORY_TABLE][-1], after[HISTORY_TABLE][-1]
    same_end = last[_VERSION : _SEEDS + 1] == expected[_VERSION : _SEEDS + 1]
    return bool(same_end and state == after | {HISTORY_TABLE: state[HISTORY_TABLE]})
