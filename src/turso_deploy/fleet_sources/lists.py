"""Lists of databases: `.csv` and `.jsonl`, from a file or from standard input, and files with a name in each line."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from turso_deploy.core.errors import Cause, DeployError, Place
from turso_deploy.core.secret import Secret
from turso_deploy.core.text import MAX_NAMES
from turso_deploy.database.address import RemoteAddress, parse_address
from turso_deploy.fleet_sources.fleet_file import read_text
from turso_deploy.fleet_sources.names import fault_of_name, fleet_error
from turso_deploy.fleet_sources.target import Target

STANDARD_INPUT = "-"
LIST_ENDINGS = (".csv", ".jsonl", ".ndjson")

_MAX_BYTES = 64_000_000
_HINT = "Each database needs `name` and `url`; `host` and `canary` may be there, and other columns are not read."
_HOST = re.compile(r"[A-Za-z0-9._-]{1,255}(:[0-9]{1,5})?")
_SWITCHES = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}
_SECRETS = frozenset({"token", "auth_token", "auth-token", "authtoken", "jwt", "password", "secret"})

TokenFor = Callable[[str], Callable[[], Secret | None]]
"""Returns the source of the tokens of the database with a name."""


class Entry(NamedTuple):
    """One database as a list or a query names it, with its place."""

    values: Mapping[str, Any]
    place: Place


class EntryReader:
    """Turns entries into targets, and collects their errors. `subject` names the source in errors."""

    def __init__(self, subject: str, token_for: TokenFor, *, allow_insecure_http: bool) -> None:
        self._subject = subject
        self._token_for = token_for
        self._allow_insecure_http = allow_insecure_http
        self._causes: list[Cause] = []
        self._faults = 0
        self._hint: str | None = None

    def read(self, entries: Iterator[Entry]) -> tuple[Target, ...]:
        """Return the targets. Raises InputError (`fleet-invalid`) with the places of the first errors."""
        targets = tuple(target for entry in entries if (target := self._target(entry)))
        if self._causes:
            raise fleet_error(self._causes, self._hint or _HINT, self._subject, self._faults)
        return targets

    def _target(self, entry: Entry) -> Target | None:
        values, place = entry
        try:
            name, url = _text(values, "name"), _text(values, "url")
            if fault := fault_of_name(name):
                raise ValueError(fault)
            return Target(
                name,
                normal_url(url, allow_insecure_http=self._allow_insecure_http),
                self._token_for(name),
                _host(values.get("host")),
                _switch(values.get("canary")),
                str(place),
            )
        except ValueError as error:
            self._add(Cause(str(error), place), None)
        except DeployError as error:
            self._add(Cause(f"{values['name']}: {error.message.rstrip('.')}", place), error.hint)
        return None

    def _add(self, cause: Cause, hint: str | None) -> None:
        self._faults += 1
        if len(self._causes) < MAX_NAMES:
            self._causes.append(cause)
            self._hint = self._hint or hint


def read_list(name: str, folder: Path, reader: EntryReader) -> tuple[Target, ...]:
    """Return the targets of a list in a file, or of standard input. Raises InputError (`fleet-invalid`)."""
    if name == STANDARD_INPUT:
        shown, text = "standard input", _standard_input()
        is_csv = not text.lstrip().startswith("{")
    else:
        shown = (folder / name).as_posix()
        text = read_text(shown, folder / name, _MAX_BYTES)
        is_csv = name.lower().endswith(".csv")
    return reader.read(_csv(text, shown) if is_csv else _json_lines(text, shown))


def read_names(name: str, folder: Path) -> Iterator[Entry]:
    """Yield the names of a file with one in each line; empty lines and those that begin with `#` are left out."""
    shown = (folder / name).as_posix()
    for number, line in enumerate(read_text(shown, folder / name, _MAX_BYTES).split("\n"), 1):
        text = line.strip()
        if text and not text.startswith("#"):
            yield Entry({"name": text}, Place(shown, number))


def normal_url(url: str, *, allow_insecure_http: bool) -> str:
    """Return a URL in one form, so that two of one database are equal. Raises InputError."""
    address = parse_address(url, allow_insecure_http=allow_insecure_http)
    return address.url if isinstance(address, RemoteAddress) else url


def _standard_input() -> str:
    stream = getattr(sys.stdin, "buffer", None)
    content = stream.read(_MAX_BYTES + 1) if stream else sys.stdin.read(_MAX_BYTES + 1).encode()
    place = Place("standard input")
    if len(content) > _MAX_BYTES:
        raise fleet_error([Cause(f"it is larger than {_MAX_BYTES // 1_000_000} MB", place)], _HINT, "The list")
    try:
        return str(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise fleet_error([Cause("it is not UTF-8 text", place)], "Save it as UTF-8.", "The list") from None


def _csv(text: str, shown: str) -> Iterator[Entry]:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [cell.strip() for cell in next(rows, [])]
        if "name" not in header or "url" not in header or len(set(header)) < len(header):
            reason = "its first line has to name the columns, among them `name` and `url`, separated by commas"
            raise fleet_error([Cause(reason, Place(shown, 1))], _HINT, "The list")
        _reject_secrets(header, Place(shown, 1))
        for row in rows:
            if any(cell.strip() for cell in row):
                yield Entry(dict(zip(header, map(str.strip, row), strict=False)), Place(shown, rows.line_num))
    except csv.Error:
        raise fleet_error([Cause("this is not CSV", Place(shown, rows.line_num or 1))], _HINT, "The list") from None


def _json_lines(text: str, shown: str) -> Iterator[Entry]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = Place(shown, number)
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            raise fleet_error([Cause("this line is not a JSON object", place)], _HINT, "The list")
        _reject_secrets(values, place)
        yield Entry(values, place)


def _reject_secrets(columns: Any, place: Place) -> None:
    if found := sorted(_SECRETS.intersection(map(str.lower, columns))):
        raise fleet_error(
            [Cause(f"the column `{found[0]}` is that of a secret, which a list must not hold", place)],
            "Remove it. The tokens of a fleet are `auth-token`, or are minted for the run. If the list may have been "
            "seen by others, rotate them.",
            "The list",
        )


def _text(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    if value is None:
        raise ValueError(f"`{key}` is missing")
    if not isinstance(value, str):
        raise ValueError(f"`{key}` must be text")
    return value


def _host(value: Any) -> str:
    if value in (None, ""):
        return ""
    if isinstance(value, str) and _HOST.fullmatch(value):
        return value
    raise ValueError("`host` must be the name of a host, as in `acme.fleet`")


def _switch(value: Any) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    found = _SWITCHES.get(str(value).lower()) if isinstance(value, str | int) else None
    if found is None:
        raise ValueError("`canary` must be `true` or `false`")
    return found
