"""The manifest: what must be true of the database after a deployment, as `schema/manifest.yml` states it."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from turso_deploy.core.errors import Cause, ErrorCode, Place, ProjectError, listed
from turso_deploy.core.validation import ValidationError, validate
from turso_deploy.core.yaml_reader import Key, Node, YamlTextError, read_yaml
from turso_deploy.project.bound import Bound, parse_bound

MANIFEST_NAME = "manifest.yml"

_BOUND_SCHEMA = {
    "description": 'An exact number, or a bound: ">=20", "<=40", "20..40".',
    "anyOf": [
        {"type": "integer", "minimum": 0},
        {"type": "string", "pattern": r"^(>=\s*\d+|<=\s*\d+|\d+\s*\.\.\s*\d+|\d+)$"},
    ],
}

Names = tuple[str, ...]
Version = Annotated[str, Meta(min_length=1)]


class Expect(Struct, frozen=True, forbid_unknown_fields=True):
    """How many objects of each kind the database holds after a deployment; a kind that is left out is not checked.

    Counted is every object that is not internal to SQLite, libSQL or Turso, not the history, and not ignored.
    """

    tables: Annotated[Bound | None, Meta(description="Tables, virtual ones included, their shadow tables not.")] = None
    indexes: Annotated[
        Bound | None, Meta(description="Indexes made by CREATE INDEX, not those behind PRIMARY KEY or UNIQUE.")
    ] = None
    views: Annotated[Bound | None, Meta(description="Views.")] = None
    triggers: Annotated[Bound | None, Meta(description="Triggers.")] = None
    foreign_keys: Annotated[
        Bound | None, Meta(description="Foreign keys of all counted tables; a composite one counts once.")
    ] = None


class Objects(Struct, frozen=True, forbid_unknown_fields=True):
    """Names that must be there; more may be."""

    tables: Annotated[Names, Meta(description="Tables that must exist.")] = ()
    indexes: Annotated[Names, Meta(description="Indexes that must exist.")] = ()
    views: Annotated[Names, Meta(description="Views that must exist.")] = ()
    triggers: Annotated[Names, Meta(description="Triggers that must exist.")] = ()


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """What a deployment is checked against before it commits."""

    schema_version: Annotated[
        Version | None, Meta(description="The version of the schema, recorded with every deployment.")
    ] = None
    expect: Annotated[Expect, Meta(description="How many objects of each kind there must be.")] = Expect()
    objects: Annotated[Objects, Meta(description="Objects that must exist, by name.")] = Objects()
    rows: Annotated[dict[str, Bound], Meta(description="How many rows each table must hold.")] = {}
    json_columns: Annotated[
        dict[str, Names],
        Meta(description="Columns in which every value that is not NULL must be valid JSON, by table."),
    ] = {}
    ignore: Annotated[
        Names,
        Meta(
            description="Glob patterns for objects that this schema does not own: never counted, compared or touched."
        ),
    ] = ()


def load_manifest(folder: Path, displayed_folder: str) -> Manifest:
    """Read `manifest.yml` of a schema folder; a folder without one expects nothing.

    `displayed_folder` is how places name the folder. Raises ProjectError (`manifest-invalid`) with file and line.
    """
    shown = f"{displayed_folder}/{MANIFEST_NAME}"
    if not (folder / MANIFEST_NAME).exists():
        _refuse_another_spelling(folder, displayed_folder)
        return Manifest()
    document = _read(folder, shown)
    try:
        return read_manifest({} if document.value is None else document.value)
    except ValidationError as error:
        causes = [Cause(issue.message, Place(shown, document.line_of(issue.path))) for issue in error.issues]
        raise _invalid(*causes) from None


def read_manifest(value: Any) -> Manifest:
    """The manifest that plain data describe. Raises FaultsError with everything that is wrong."""
    return validate(value, Manifest, lambda _, written: parse_bound(written))


def place_in_manifest(folder: Path, displayed_folder: str, path: Key) -> Place:
    """Where a value of the manifest stands, by the keys that lead to it; the file is read again to find out."""
    shown = f"{displayed_folder}/{MANIFEST_NAME}"
    return Place(shown, _read(folder, shown).line_of(path))


def _read(folder: Path, shown: str) -> Node:
    try:
        data = (folder / MANIFEST_NAME).read_bytes()
    except OSError as error:
        raise _invalid(Cause(f"the file cannot be read ({os.strerror(error.errno or 0)})", Place(shown))) from None
    try:
        return _document(data.decode("utf-8-sig"), shown)
    except YamlTextError as error:
        raise _invalid(Cause(error.message, Place(shown, error.line, error.column))) from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _invalid(Cause("the file is not UTF-8 text", Place(shown, line))) from None


@lru_cache(maxsize=1)
def _document(text: str, shown: str) -> Node:
    """The manifest with its places; where thousands of objects are missing, each is looked for in the same text."""
    return read_yaml(text, shown)


def _refuse_another_spelling(folder: Path, displayed_folder: str) -> None:
    """A manifest under another name would check nothing, and nobody would notice."""
    for path in sorted(folder.iterdir()):
        if path.name.lower() in ("manifest.yml", "manifest.yaml", "manifest.json"):
            place = Place(f"{displayed_folder}/{path.name}")
            raise _invalid(Cause(f"its name has to be {MANIFEST_NAME}", place))


def _invalid(*causes: Cause) -> ProjectError:
    return ProjectError(
        ErrorCode.MANIFEST_INVALID,
        f"The manifest cannot be used:{listed(causes)}",
        hint="Correct it here. docs/reference/manifest.md of turso-deploy describes every key; "
        "`turso-deploy manifest-schema` "
        "prints a JSON Schema with which an editor completes them.",
        place=causes[0].place,
        causes=causes,
    )


def manifest_json_schema() -> str:
    """The JSON Schema of the manifest, as published at `schema/manifest.schema.json`."""
    from inspect import cleandoc

    from msgspec.json import schema_components

    _, parts = schema_components([Manifest], schema_hook=lambda _: _BOUND_SCHEMA, ref_template="#/$defs/{name}")
    for part in parts.values():
        part["description"] = cleandoc(part["description"])  # only from Python 3.13 on docstrings come without indents
    whole = parts.pop("Manifest")
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": parts,
        **whole,
        "title": "turso-deploy manifest",
    }
    return json.dumps(schema, indent=2) + "\n"
