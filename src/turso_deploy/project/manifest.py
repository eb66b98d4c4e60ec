"""The manifest `schema/manifest.yml`: conditions that the database must meet after a deployment."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any

from msgspec import Meta, Struct

from turso_deploy.core.errors import Cause, ErrorCode, Place, ProjectError, listed
from turso_deploy.core.schema_folder import SchemaFileError, SchemaFolder
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
    """Number of objects of each kind in the database after a deployment. A kind that is left out is not checked.

    Objects internal to SQLite, libSQL or Turso, the deployment history and ignored objects are not counted.
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
    """Objects that must exist, by name. There may be others."""

    tables: Annotated[Names, Meta(description="Tables that must exist.")] = ()
    indexes: Annotated[Names, Meta(description="Indexes that must exist.")] = ()
    views: Annotated[Names, Meta(description="Views that must exist.")] = ()
    triggers: Annotated[Names, Meta(description="Triggers that must exist.")] = ()


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """Conditions that are checked in the transaction of a deployment before it commits."""

    schema_version: Annotated[
        Version | None, Meta(description="The version of the schema, recorded with every deployment.")
    ] = None
    expect: Annotated[Expect, Meta(description="Required number of objects of each kind.")] = Expect()
    objects: Annotated[Objects, Meta(description="Objects that must exist, by name.")] = Objects()
    rows: Annotated[dict[str, Bound], Meta(description="Required number of rows, by table.")] = {}
    json_columns: Annotated[
        dict[str, Names],
        Meta(description="Columns in which every value other than NULL must be valid JSON, by table."),
    ] = {}
    ignore: Annotated[
        Names,
        Meta(
            description="Glob patterns of objects that this schema does not manage: never counted, compared or changed."
        ),
    ] = ()


def load_manifest(folder: SchemaFolder) -> Manifest:
    """Read `manifest.yml` of a schema folder; a folder without one has no conditions.

    Raises ProjectError (`manifest-invalid`) with file and line of every error in it.
    """
    if not folder.has(MANIFEST_NAME):
        _require_exact_name(folder)
        return Manifest()
    document = _read(folder)
    try:
        return parse_manifest({} if document.value is None else document.value)
    except ValidationError as error:
        places = [folder.place(MANIFEST_NAME, document.line_of(issue.path)) for issue in error.issues]
        causes = [Cause(issue.message, place) for issue, place in zip(error.issues, places, strict=True)]
        raise _invalid(causes) from None


def parse_manifest(value: Any) -> Manifest:
    """Parse plain data into a manifest. Raises ValidationError with every error."""
    return validate(value, Manifest, lambda _, written: parse_bound(written))


def place_in_manifest(folder: SchemaFolder, path: Key) -> Place:
    """Return the place of the value at a path of keys; reads the file again."""
    return folder.place(MANIFEST_NAME, _read(folder).line_of(path))


def _read(folder: SchemaFolder) -> Node:
    try:
        return _parse_yaml(folder.read_text(MANIFEST_NAME), folder.place(MANIFEST_NAME).file)
    except SchemaFileError as error:
        raise _invalid([Cause(error.reason, error.place)], error.hint) from None
    except YamlTextError as error:
        raise _invalid([Cause(error.message, folder.place(MANIFEST_NAME, error.line, error.column))]) from None


@lru_cache(maxsize=1)
def _parse_yaml(text: str, file: str) -> Node:
    """Return the manifest with its places, parsed once even if thousands of missing objects are looked up in it."""
    return read_yaml(text, file)


def _require_exact_name(folder: SchemaFolder) -> None:
    """Raise ProjectError if there is a manifest under another name, whose conditions would silently not be checked."""
    for name in folder.entries("*"):
        if name.lower() in ("manifest.yml", "manifest.yaml", "manifest.json"):
            raise _invalid([Cause(f"its name has to be {MANIFEST_NAME}", folder.place(name))])


_HINT = (
    "Correct it here. docs/reference/manifest.md of turso-deploy describes every key; `turso-deploy manifest-schema` "
    "prints a JSON Schema with which an editor completes them."
)


def _invalid(causes: Sequence[Cause], hint: str = _HINT) -> ProjectError:
    return ProjectError(
        ErrorCode.MANIFEST_INVALID,
        f"The manifest cannot be used:{listed(causes)}",
        hint=hint,
        place=causes[0].place,
        causes=causes,
    )


def manifest_json_schema() -> str:
    """Return the JSON Schema of the manifest, as published in `schema/manifest.schema.json`."""
    from inspect import cleandoc

    from msgspec.json import schema_components

    _, definitions = schema_components([Manifest], schema_hook=lambda _: _BOUND_SCHEMA, ref_template="#/$defs/{name}")
    for definition in definitions.values():
        definition["description"] = cleandoc(
            definition["description"]
        )  # before Python 3.13 docstrings keep their indentation
    manifest = definitions.pop("Manifest")
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": definitions,
        **manifest,
        "title": "turso-deploy manifest",
    }
    return json.dumps(schema, indent=2) + "\n"
