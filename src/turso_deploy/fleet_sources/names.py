"""Names of the databases of a fleet: their form, and the selection by `only` and `except`, names or glob patterns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import translate
from typing import NamedTuple

from turso_deploy.core.errors import Cause, ErrorCode, InputError, Place, listed
from turso_deploy.core.text import MAX_NAMES, count_of, enumerated
from turso_deploy.fleet_sources.target import Skipped, Target

EXCLUDED = "excluded"
"""The reason of a database that `only` or `except` leaves out."""

_MAX_LENGTH = 200
_NAME = re.compile(rf"\w[\w.@+:=~-]{{0,{_MAX_LENGTH - 1}}}")
_TOKEN_START = "eyJ"  # of every token: https://www.rfc-editor.org/rfc/rfc7519#section-3.1


class Found(NamedTuple):
    """The databases that one source names, and those of it that are left out."""

    targets: tuple[Target, ...]
    skipped: tuple[Skipped, ...] = ()


def fleet_error(causes: Sequence[Cause], hint: str, subject: str = "The fleet", total: int | None = None) -> InputError:
    """Return the error (`fleet-invalid`) of a fleet that cannot be used. `total` is the number of all causes."""
    shown = list(causes[:MAX_NAMES])
    more = (len(causes) if total is None else total) - len(shown)
    if more > 0:
        shown.append(Cause(f"and {count_of(more, 'more error')}"))
    message = f"{subject} cannot be used:{listed(shown)}"
    return InputError(ErrorCode.FLEET_INVALID, message, hint=hint, place=causes[0].place, causes=shown)


def fault_of_name(name: str) -> str | None:
    """Return a clause about a text that cannot be the name of a database; None for a name. It repeats no secret."""
    if not name:
        return "the name is empty"
    if name.startswith(_TOKEN_START):
        return "the name is a token"
    if _NAME.fullmatch(name):
        return None
    if "/" in name:
        return "the name contains a slash"
    if len(name) > _MAX_LENGTH:
        return f"the name is longer than {_MAX_LENGTH} characters"
    return "the name may contain letters, digits and `-_.@+:=~`, and begins with a letter, a digit or `_`"


class _Patterns:
    """Names and glob patterns. `found` are those that matched."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.texts = tuple(texts)
        self.found: set[str] = set()
        self._names = {text for text in self.texts if not _is_glob(text)}
        self._globs = [(text, re.compile(translate(text)).match) for text in self.texts if _is_glob(text)]

    def match(self, name: str) -> bool:
        """Return True if one of them matches, and remember all that do."""
        found = [text for text, matches in self._globs if matches(name)]
        if name in self._names:
            found.append(name)
        self.found.update(found)
        return bool(found)


def chosen(found: Found, only: Sequence[str], without: Sequence[str], where: Place | None = None) -> Found:
    """Return the databases that `only` (or all) and not `except` match; the others are left out.

    Raises InputError for a name or a pattern in `only` that selects nothing, and for a name in `except` that no
    database has. `where` is the place of the two, if a file has them.
    """
    if not only and not without:
        return found
    meant, excluded, left_out = _Patterns(only), _Patterns(without), _Patterns(only)
    targets, skipped = list[Target](), list[Skipped]()
    for target in found.targets:
        is_meant = not only or meant.match(target.name)
        if excluded.match(target.name) or not is_meant:
            skipped.append(Skipped(target.name, EXCLUDED))
        else:
            targets.append(target)
    reasons = dict[str, str]()
    for one in found.skipped:
        excluded.match(one.name)
        if left_out.match(one.name):
            reasons[one.name] = one.reason
        skipped.append(one)
    causes = [_unmatched(text, reasons, where) for text in meant.texts if text not in meant.found]
    if causes:
        raise fleet_error(causes, "Correct `only`; `turso db list` or the source of the fleet shows the names.")
    unknown = [text for text in excluded.texts if text not in excluded.found and not _is_glob(text)]
    if unknown:
        cause = Cause(f"`except` names what the fleet does not have: {enumerated(unknown, 'name')}", where)
        raise fleet_error([cause], "Correct `except`: a wrong name there would deploy to the one that was meant.")
    return Found(tuple(targets), tuple(skipped))


def _unmatched(text: str, reasons: dict[str, str], where: Place | None) -> Cause:
    if text in reasons:
        return Cause(f"`only` names {text}, which is left out ({reasons[text]})", where)
    return Cause(f"`only` names what the fleet does not have: {text}", where)


def _is_glob(text: str) -> bool:
    return any(character in text for character in "*?[")
