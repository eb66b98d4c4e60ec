"""The manifest: what must be true of the database after a deployment, as `schema/manifest.yml` states it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from turso_deploy.errors import Cause, ErrorCode, Place, ProjectError
from turso_deploy.schema.bound import Bound, parse_bound
from turso_deploy.schema.yaml_text import Key, Node, YamlTextError, read_yaml

MANIFEST_NAME = "manifest.yml"

BoundField = Annotated[
    Bound,
    BeforeValidator(parse_bound),
    WithJsonSchema(
        {
            "description": 'An exact number, or a bound: ">=20", "<=40", "20..40".',
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "string", "pattern": r"^(>=\s*\d+|<=\s*\d+|\d+\s*\.\.\s*\d+|\d+)$"},
            ],
        }
    ),
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Expect(_Strict):
    """How many objects of each kind the database holds after a deployment; a kind that is left out is not checked.

    Counted is every object that is not internal to SQLite, libSQL or Turso, not the ledger, and not ignored.
    """

    tables: BoundField | None = Field(None, description="Tables, virtual ones included, their shadow tables not.")
    indexes: BoundField | None = Field(
        None, description="Indexes made by CREATE INDEX, not those behind PRIMARY KEY or UNIQUE."
    )
    views: BoundField | None = Field(None, description="Views.")
    triggers: BoundField | None = Field(None, description="Triggers.")
    foreign_keys: BoundField | None = Field(
        None, description="Foreign keys of all counted tables; a composite one counts once."
    )


class Objects(_Strict):
    """Names that must be there; more may be."""

    tables: tuple[str, ...] = Field((), strict=False, description="Tables that must exist.")
    indexes: tuple[str, ...] = Field((), strict=False, description="Indexes that must exist.")
    views: tuple[str, ...] = Field((), strict=False, description="Views that must exist.")
    triggers: tuple[str, ...] = Field((), strict=False, description="Triggers that must exist.")


class Manifest(_Strict):
    """What a deployment is checked against before it commits."""

    schema_version: str | None = Field(
        None, min_length=1, description="The version of the schema, recorded with every deployment."
    )
    expect: Expect = Field(Expect(), description="How many objects of each kind there must be.")
    objects: Objects = Field(Objects(), description="Objects that must exist, by name.")
    rows: dict[str, BoundField] = Field({}, description="How many rows each table must hold.")
    json_columns: dict[str, Annotated[tuple[str, ...], Field(strict=False)]] = Field(
        {}, description="Columns in which every value that is not NULL must be valid JSON, by table."
    )
    ignore: tuple[str, ...] = Field(
        (),
        strict=False,
        description="Glob patterns for objects that this schema does not own: never counted, compared or touched.",
    )


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
        return Manifest.model_validate({} if document.value is None else document.value)
    except ValidationError as error:
        causes = [
            Cause(_explain(one["loc"], one), Place(shown, document.line_of(one["loc"])))
            for one in error.errors(include_url=False)
        ]
        raise _invalid(*causes) from None


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
        return read_yaml(data.decode("utf-8-sig"), shown)
    except YamlTextError as error:
        raise _invalid(Cause(error.message, Place(shown, error.line, error.column))) from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _invalid(Cause("the file is not UTF-8 text", Place(shown, line))) from None


def _refuse_another_spelling(folder: Path, displayed_folder: str) -> None:
    """A manifest under another name would check nothing, and nobody would notice."""
    for path in sorted(folder.iterdir()):
        if path.name.lower() in ("manifest.yml", "manifest.yaml", "manifest.json"):
            place = Place(f"{displayed_folder}/{path.name}")
            raise _invalid(Cause(f"its name has to be {MANIFEST_NAME}", place))


def _invalid(*causes: Cause) -> ProjectError:
    return ProjectError(
        ErrorCode.MANIFEST_INVALID,
        f"The manifest cannot be used: {'; '.join(cause.message for cause in causes)}.",
        hint="docs/manifest.md describes every key; the JSON Schema beside the manifest lets an editor complete them.",
        place=causes[0].place,
        causes=causes,
    )


def _explain(path: Key, error: Any) -> str:
    key = ".".join(str(part) for part in path)
    if error["type"] == "extra_forbidden":
        known = _model_at(path[:-1])
        return f"unknown key `{key}`" + (f"; known here: {', '.join(known)}" if known else "")
    if error["type"] == "string_type":
        return f"`{key}` has to be text: write the value in quotes"
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"`{key}`: {message[:1].lower()}{message[1:]}" if key else message


def _model_at(path: Key) -> list[str]:
    models: dict[Key, type[BaseModel]] = {(): Manifest, ("expect",): Expect, ("objects",): Objects}
    model = models.get(path)
    return list(model.model_fields) if model else []


def manifest_json_schema() -> str:
    """The JSON Schema of the manifest, as published at `schema/manifest.schema.json`."""
    schema = Manifest.model_json_schema()
    schema["title"] = "turso-deploy manifest"
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2) + "\n"
