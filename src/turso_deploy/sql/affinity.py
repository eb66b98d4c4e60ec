"""Column affinities, and what they make of a stored value when it is copied (https://www.sqlite.org/datatype3.html)."""

from __future__ import annotations

from enum import StrEnum


class Affinity(StrEnum):
    """The five affinities."""

    INTEGER = "INTEGER"
    TEXT = "TEXT"
    BLOB = "BLOB"
    REAL = "REAL"
    NUMERIC = "NUMERIC"


# The first rule that finds one of its words decides: https://www.sqlite.org/datatype3.html#determination_of_column_affinity
_RULES = (
    (Affinity.INTEGER, ("INT",)),
    (Affinity.TEXT, ("CHAR", "CLOB", "TEXT")),
    (Affinity.BLOB, ("BLOB",)),
    (Affinity.REAL, ("REAL", "FLOA", "DOUB")),
)


def affinity_of(type_name: str, *, strict: bool = False) -> Affinity:
    """The affinity of a column by its type in upper case. ANY of a STRICT table leaves every value as it is."""
    if not type_name or (strict and type_name == "ANY"):
        return Affinity.BLOB
    for affinity, words in _RULES:
        if any(word in type_name for word in words):
            return affinity
    return Affinity.NUMERIC


def stored_form(expression: str, affinity: Affinity) -> str:
    """An SQL expression for what a column of this affinity stores when it is given `expression`.

    A text is a number to SQLite when it equals its own cast, because comparing it with one applies the same affinity
    (https://www.sqlite.org/datatype3.html#type_conversions_prior_to_comparison).
    """
    value = expression
    number = f"CAST({value} AS NUMERIC)"
    is_number = f"typeof({value}) = 'text' AND {value} = {number}"
    match affinity:
        case Affinity.BLOB:
            return value
        case Affinity.TEXT:
            return f"CASE WHEN typeof({value}) IN ('integer', 'real') THEN CAST({value} AS TEXT) ELSE {value} END"
        case Affinity.REAL:
            return f"CASE WHEN {is_number} OR typeof({value}) = 'integer' THEN CAST({value} AS REAL) ELSE {value} END"
        case _:  # the smallest of all integers stays a real: sqlite3VdbeIntegerAffinity in src/vdbemem.c
            is_whole = f"{number} = CAST({number} AS INTEGER) AND {number} > -9223372036854775808"
            return (
                f"CASE WHEN typeof({value}) = 'real' OR ({is_number}) "
                f"THEN iif({is_whole}, CAST({number} AS INTEGER), {number}) ELSE {value} END"
            )


_STORED_TYPES = {
    "INT": "integer",
    "INTEGER": "integer",
    "REAL": "real",
    "TEXT": "text",
    "BLOB": "blob",
}


def strict_type(type_name: str) -> str | None:
    """What `typeof` has to say of every value in a STRICT column; None for ANY (https://www.sqlite.org/stricttables.html)."""
    return _STORED_TYPES.get(type_name)
