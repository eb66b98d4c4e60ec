"""Select the databases of a fleet: read the source, and apply `only` and `except`."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from turso_deploy.core.errors import ErrorCode, InputError
from turso_deploy.core.secret import Secret
from turso_deploy.core.text import count_of, enumerated
from turso_deploy.fleet_sources.target import Selection, Skipped, Target


class Access(NamedTuple):
    """The settings by which databases are found and opened: the given token, and those of the Turso Platform."""

    token: Secret | None = None


def select(fleet: str, only: Sequence[str], without: Sequence[str], access: Access) -> Selection:
    """Return the databases of a fleet. Raises InputError for a selection that is empty or not what was meant."""
    targets = list(_listed(fleet, access))
    names = [target.name for target in targets]
    if doubled := sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []:
        raise _error(
            f"{count_of(len(doubled), 'name is', 'names are')} twice in the fleet: {enumerated(doubled, 'name')}."
        )
    if missing := [pattern for pattern in only if not any(fnmatchcase(name, pattern) for name in names)]:
        raise _error(f"`only` names what the fleet does not have: {enumerated(missing, 'name')}.")
    kept, skipped = list[Target](), list[Skipped]()
    for target in targets:
        is_meant = not only or any(fnmatchcase(target.name, pattern) for pattern in only)
        if is_meant and not any(fnmatchcase(target.name, pattern) for pattern in without):
            kept.append(target)
        else:
            skipped.append(Skipped(target.name, "excluded"))
    if not kept:
        raise _error("The selection of databases is empty.")
    return Selection(tuple(kept), tuple(skipped))


def _listed(fleet: str, access: Access) -> Iterator[Target]:
    try:
        lines = (sys.stdin.read() if fleet == "-" else Path(fleet).read_text(encoding="utf-8")).splitlines()
    except OSError as error:
        raise _error(f"The list of databases cannot be read: {error.strerror}.") from None
    for number, row in _rows(lines, is_csv=fleet.endswith(".csv")):
        if not isinstance(row, dict) or not row.get("name") or not row.get("url"):
            raise _error(f"{fleet}:{number}: a database needs `name` and `url`.")
        canary = row.get("canary") in (True, "true", "1")
        yield Target(
            row["name"], row["url"], lambda: access.token, str(row.get("host") or ""), canary, f"{fleet}:{number}"
        )


def _rows(lines: Iterable[str], *, is_csv: bool) -> Iterator[tuple[int, Any]]:
    if is_csv:
        yield from enumerate(csv.DictReader(lines), 2)
        return
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except ValueError:
                raise _error(f"Line {number} of the list is not JSON.") from None


def _error(message: str) -> InputError:
    return InputError(ErrorCode.INPUT_INVALID, message, hint="Check `fleet`, `only` and `except`.")
