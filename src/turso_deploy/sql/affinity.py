"""Column affinities and their conversion of copied values (https://www.sqlite.org/datatype3.html)."""

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
    """Return the affinity of a column type in upper case. ANY in a STRICT table converts no value."""
    if not type_name or (strict and type_name == "ANY"):
        return Affinity.BLOB
    for affinity, words in _RULES:
        if any(word in type_name for word in words):
            return affinity
    return Affinity.NUMERIC


def stored_form(expression: str, affinity: Affinity) -> str:
    """Return an SQL expression for the value that a column of this affinity stores when `expression` is written to it.

    A text counts as a number if it equals its own cast, because the comparison applies the same affinity
    (https://www.sqlite.org/datatype3.html#type_conversions_prior_to_comparison).
    """
    value = expression
    number = f"CAST({value} AS NUMERIC)"
    is_number = f"typeof({value}) = 'text' AND {value} = {number}"
    match affinity:
        case Affinity.BLOB:  # https://www.sqlite.org/datatype3.html#affinity_of_expressions: the + takes the type away
            return f"+{value}"
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


_STORED_TYPES = {"INT": "integer", "INTEGER": "integer", "REAL": "real", "TEXT": "text", "BLOB": "blob"}


def strict_type(type_name: str) -> str | None:
    """Return the `typeof` of all values in a STRICT column, or None for ANY (https://www.sqlite.org/stricttables.html)."""
    return _STORED_TYPES.get(type_name)
