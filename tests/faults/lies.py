"""Lies of a server: each result of a reply replaced by one that is not true, and replies changed at random."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, NamedTuple

Reply = dict[str, Any]
"""The JSON document of a reply to a pipeline."""

_HUGE = "9" * 400
_OK: Reply = {"cols": [], "rows": [], "affected_row_count": 0, "last_insert_rowid": None}
_ERROR: Reply = {"message": "SQLite error: constraint failed", "code": "SQLITE_CONSTRAINT"}
_GUARD_FAILED: Reply = {"message": "SQLite error: malformed JSON", "code": "SQLITE_ERROR"}
_VALUES: tuple[Any, ...] = (
    {"type": "null"},
    {"type": "integer", "value": "-1"},
    {"type": "integer", "value": _HUGE},
    {"type": "integer", "value": 1},
    {"type": "float", "value": 0.5},
    {"type": "float", "value": 1e308},
    {"type": "text", "value": ""},
    {"type": "text", "value": "many"},
    {"type": "text", "value": "[[1]]"},
    {"type": "blob", "base64": "AAEC"},
    {"type": "bool", "value": True},
    {},
    None,
    7,
)
_NO_LISTS: tuple[Any, ...] = (None, {}, "x", 7)
_NO_RESULTS: tuple[Any, ...] = (_OK, 7, "ok", [], {}, {"cols": None, "rows": None, "affected_row_count": 0})
_COUNTS: tuple[Any, ...] = (None, -1, 1.5, True, "1", 2**63, int(_HUGE), [], {})
_PLAIN: tuple[Any, ...] = (None, True, False, 0, 1, -1, 7, 2**63, int(_HUGE), 1.5, "", "1", "ok", "error", _HUGE)
_ANYTHING: tuple[Any, ...] = (*_PLAIN, [], {}, [[]], [None], *_VALUES)
_RESULT = ("results", 0, "response", "result")

Path = tuple[str | int, ...]
"""The place of a value in a reply: the keys and positions that lead to it."""


class Edit(StrEnum):
    """What a lie does to the value at a place."""

    SET = "is"
    DELETE = "is missing"
    POP = "lost its last"
    CLEAR = "is empty"
    APPEND = "also has"
    TWICE = "twice"
    REVERSE = "backwards"
    NARROW = "has narrow rows"
    WIDE = "has wide rows"


class Lie(NamedTuple):
    """A lie about one reply, of one edit or several: the place, the edit, and its value."""

    edits: tuple[tuple[Path, Edit, Any], ...]

    def __str__(self) -> str:
        """Return what the lie says."""
        return ", ".join(
            f"{'.'.join(map(str, place[-4:]))} {edit}{'' if value is None else f' {str(value)[:40]}'}"
            for place, edit, value in self.edits
        )

    def tell(self, reply: Reply) -> None:
        """Change a reply."""
        for place, edit, value in self.edits:
            _edit(reply, place, edit, copy.deepcopy(value))


def _edit(reply: Any, place: Path, edit: Edit, value: Any) -> None:
    *way, key = place
    parent = reply
    for step in way:
        parent = parent[step]
    match edit:
        case Edit.SET:
            parent[key] = value
        case Edit.DELETE:
            del parent[key]
        case Edit.POP:
            parent[key].pop()
        case Edit.CLEAR:
            parent[key].clear()
        case Edit.APPEND:
            parent[key].append(value)
        case Edit.TWICE:
            parent[key].extend(copy.deepcopy(parent[key]))
        case Edit.REVERSE:
            parent[key].reverse()
        case Edit.NARROW:
            parent[key] = [row[:-1] for row in parent[key]]
        case Edit.WIDE:
            parent[key] = [[*row, row[0]] for row in parent[key]]


def _lie(place: Path, edit: Edit = Edit.SET, value: Any = None) -> Lie:
    return Lie(((place, edit, value),))


def single_lies(honest: Reply) -> Iterator[Lie]:
    """Yield all lies about a reply that change one thing: a result of a step, a count, a value, or the frame."""
    yield from _lies_about_the_frame()
    results = honest["results"][0]["response"]["result"]["step_results"]
    for at, result in enumerate(results):
        yield from _lies_about_a_step(at, result, results[at - 1])
    for name in ("step_results", "step_errors"):
        place = (*_RESULT, name)
        yield from (_lie(place, edit) for edit in (Edit.POP, Edit.CLEAR, Edit.APPEND, Edit.TWICE, Edit.REVERSE))
        yield from (_lie(place, Edit.SET, value) for value in _NO_LISTS)
        yield _lie(place, Edit.DELETE)


def _lies_about_the_frame() -> Iterator[Lie]:
    first = ("results", 0)
    for code in ("SQL_PARSE_ERROR", "SQL_MANY_STATEMENTS", "BLOCKED", "SQLITE_BUSY", "TRANSACTION_TIMEOUT", "X", ""):
        yield _lie(first, Edit.SET, {"type": "error", "error": {"message": "rejected", "code": code}})
    frames: tuple[Any, ...] = (None, {}, [], "ok", {"type": "ok"}, {"type": "ok", "response": None}, {"type": "error"})
    yield from (_lie(first, Edit.SET, frame) for frame in frames)
    yield _lie((*first, "response", "type"), Edit.SET, "execute")
    yield _lie((*first, "response"), Edit.SET, {"type": "get_autocommit", "is_autocommit": False})
    yield from (_lie(("results",), edit) for edit in (Edit.REVERSE, Edit.TWICE, Edit.POP, Edit.DELETE))
    yield _lie(("results", 1), Edit.SET, {"type": "error"})
    batons: tuple[Any, ...] = ("another", 7, {})
    yield from (_lie(("baton",), Edit.SET, baton) for baton in batons)
    yield _lie(("base_url",), Edit.SET, "http://127.0.0.1:1")


def _lies_about_a_step(at: int, honest: Any, before: Any) -> Iterator[Lie]:
    result, error = (*_RESULT, "step_results", at), (*_RESULT, "step_errors", at)

    def both(new_result: Any, new_error: Any) -> Lie:
        return Lie(((result, Edit.SET, new_result), (error, Edit.SET, new_error)))

    for wrong in (_ERROR, _GUARD_FAILED, {"message": None}, 7):
        yield both(None, wrong)
    yield both(_OK, _ERROR)
    yield both(None, None)
    for value in (*_NO_RESULTS, before):
        yield both(value, None)
    yield _lie(error, Edit.SET, _ERROR)
    if not isinstance(honest, dict):
        return
    yield from (_lie((*result, "affected_row_count"), Edit.SET, value) for value in _COUNTS)
    yield _lie((*result, "affected_row_count"), Edit.DELETE)
    if not honest["cols"]:
        return
    rows, one = (*result, "rows"), {"type": "integer", "value": "1"}
    yield _lie((*result, "cols"), Edit.CLEAR)
    yield _lie((*result, "cols"), Edit.APPEND, {"name": "more"})
    for row in ([], [one] * len(honest["cols"]), [one] * (len(honest["cols"]) + 1)):
        yield _lie(rows, Edit.APPEND, row)
    if honest["rows"]:
        yield from (_lie(rows, edit) for edit in (Edit.CLEAR, Edit.TWICE, Edit.NARROW, Edit.WIDE))
        columns = range(len(honest["rows"][0]))
        yield from (_lie((*rows, 0, column), Edit.SET, value) for column in columns for value in _VALUES)


def mutated(content: bytes, choice: random.Random) -> bytes:
    """Return a reply with one to three changes at random, of its JSON or of its bytes."""
    for _ in range(choice.choice((1, 1, 1, 2, 3))):
        content = _changed_document(content, choice) if choice.random() < 0.7 else _changed_bytes(content, choice)
    return content


def _changed_document(content: bytes, choice: random.Random) -> bytes:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return _changed_bytes(content, choice)
    places = list(_places(document))
    if not places:
        return _changed_bytes(content, choice)
    # The first levels are the frame, and hold few of the places.
    shallow = [place for place in places if place[2] <= 5]
    parent, key, _ = choice.choice(shallow if choice.random() < 0.3 and shallow else places)
    match choice.randrange(8):
        case 0 | 1:
            parent[key] = copy.deepcopy(choice.choice(_ANYTHING))
        case 2:
            other, at, _ = choice.choice(places)
            parent[key] = copy.deepcopy(other[at])
        case 3:
            del parent[key]
        case 4 if isinstance(parent, list):
            parent.insert(key, copy.deepcopy(parent[key]))
        case 5 if isinstance(parent, list):
            other = choice.randrange(len(parent))
            parent[key], parent[other] = parent[other], parent[key]
        case 6 if isinstance(parent[key], list):
            del parent[key][choice.randint(0, len(parent[key])) :]
        case _:
            parent[key] = _near(parent[key], choice)
    return json.dumps(document).encode()


def _near(value: Any, choice: random.Random) -> Any:
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int):
        return value + choice.choice((-1, 1))
    if isinstance(value, str):
        if value.lstrip("-").isdecimal():
            return str(int(value) + choice.choice((-1, 1)))
        at = choice.randint(0, len(value))
        return value[:at] + choice.choice(("", "x", "\x00", "\ud800", "'", '"', "é")) + value[at + 1 :]
    return [] if isinstance(value, dict) else {}


def _places(node: Any, depth: int = 0) -> Iterator[tuple[Any, Any, int]]:
    """Yield each place of a document: the container, the key in it, and its depth."""
    for key in list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
        yield node, key, depth
        yield from _places(node[key], depth + 1)


def _changed_bytes(content: bytes, choice: random.Random) -> bytes:
    at, length = choice.randint(0, len(content)), choice.choice((1, 1, 2, 8, 40))
    match choice.randrange(5):
        case 0:
            return content[:at]
        case 1:
            return content[:at] + content[at + length :]
        case 2:
            return content[:at] + content[at : at + length] + content[at:]
        case 3:
            return content[:at] + choice.choice((b"1", b"0", b",", b"null", b'"', b"}", b"]", b"\xff")) + content[at:]
        case _:
            return content[:at] + choice.randbytes(1) + content[at + 1 :]
