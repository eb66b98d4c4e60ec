"""The fleet file `fleet.yml`: the sources of the databases, their tokens, and the rollout. It holds no secret."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AliasChoices, BaseModel, Field, PlainValidator, WithJsonSchema, model_validator

from turso_deploy.core.errors import Cause, Place
from turso_deploy.core.files import SpecialFileError, TooLargeError, read_file
from turso_deploy.core.validation import ValidationError, json_schema, validate
from turso_deploy.core.yaml_reader import Node, YamlTextError, read_yaml
from turso_deploy.fleet_sources.names import fault_of_name, fleet_error
from turso_deploy.fleet_sources.rollout import Share, parse_canary, parse_share, parse_waves

_MAX_BYTES = 1_000_000
_HINT = (
    "Correct it here. docs/reference/fleet-file.md of turso-deploy describes every key, and "
    "docs/reference/fleet.schema.json is a JSON Schema with which an editor completes them."
)
_KINDS = ("group", "list", "query", "server")


def _names(value: object) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise ValueError("expected names or patterns in a list: write those that are numbers in quotes")
    return tuple(name.strip() for name in names)


def _namespaces(value: object) -> str | tuple[str, ...]:
    if isinstance(value, str) and value.strip():
        return value
    if not isinstance(value, list):
        raise ValueError("expected the name of a file with a name in each line, or a list of names")
    names = _names(value)
    if fault := next(filter(None, map(fault_of_name, names)), None):
        raise ValueError(fault)
    return names


def _canary(value: object) -> int | tuple[str, ...]:
    if isinstance(value, list):
        return _names(value)
    return parse_canary("" if isinstance(value, int) and value < 0 else _written(value))


def _waves(value: object) -> tuple[float, ...]:
    return parse_waves(",".join(map(_written, value)) if isinstance(value, list) else _written(value))


def _share(value: object) -> Share:
    return parse_share(_written(value))


def _written(value: object) -> str:
    """Return the text of a scalar as it is written in the file; no other value has one."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


_TEXT = {"type": "string", "minLength": 1}
_LISTED_NAMES = {"anyOf": [{"type": "array", "items": _TEXT, "minItems": 1}, _TEXT]}
_PERCENT = r"[0-9]{1,3}(\.[0-9]{1,6})?\s*%"
_SHARE_SCHEMA = {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": rf"^([0-9]+|{_PERCENT})$"}]}
_WAVE_SCHEMA = {"type": "string", "pattern": f"^{_PERCENT}$"}

PatternList = Annotated[tuple[str, ...], PlainValidator(_names), WithJsonSchema(_LISTED_NAMES)]
"""Names and glob patterns. A single one needs no list."""
Namespaces = Annotated[str | tuple[str, ...], PlainValidator(_namespaces), WithJsonSchema(_LISTED_NAMES)]
Canary = Annotated[
    int | tuple[str, ...],
    PlainValidator(_canary),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, *_LISTED_NAMES["anyOf"]]}),
]
Waves = Annotated[
    tuple[float, ...],
    PlainValidator(_waves),
    WithJsonSchema({"anyOf": [{"type": "array", "items": _WAVE_SCHEMA}, {"type": "string"}]}),
]
Budget = Annotated[Share, PlainValidator(_share), WithJsonSchema(_SHARE_SCHEMA)]


class Source(BaseModel, frozen=True, extra="forbid", strict=True):
    """One source of databases: exactly one of `group`, `list`, `query` and `server`."""

    group: str | None = Field(
        default=None, min_length=1, description="Group of the Turso Platform; needs `api-token` and `organization`."
    )
    list_file: str | None = Field(
        default=None,
        min_length=1,
        alias="list",
        description="List of databases: a file `.csv` or `.jsonl`, relative to the fleet file, or `-` for standard "
        "input. `name` and `url` are required; `host` and `canary` may be there.",
    )
    query: str | None = Field(
        default=None,
        min_length=1,
        description="SELECT on the control database (`control-url`, `control-token`) that returns `name` and `url`; "
        "`host` and `canary` may be there.",
    )
    server: str | None = Field(
        default=None, min_length=1, description="URL of an sqld with namespaces; the Host header names the namespace."
    )
    names: Namespaces | None = Field(
        default=None,
        description="With `server`: the namespaces, in a list, or in a file with a name in each line.",
    )
    only: PatternList = Field(default=(), description="Only these databases of the source, by names or patterns.")
    without: PatternList = Field(
        default=(), alias="except", description="All but these databases of the source, by names or patterns."
    )

    @model_validator(mode="after")
    def _is_one_source(self) -> Source:
        given = [kind for kind, value in zip(_KINDS, self.kinds, strict=True) if value is not None]
        if len(given) != 1:
            raise ValueError(f"expected exactly one of {', '.join(f'`{kind}`' for kind in _KINDS)}")
        if (self.names is not None) != (self.server is not None):
            raise ValueError("`server` and `names` belong together")
        return self

    @property
    def kinds(self) -> tuple[str | None, ...]:
        """The values of the keys of which exactly one is given."""
        return self.group, self.list_file, self.query, self.server


class RolloutKeys(BaseModel, frozen=True, extra="forbid", strict=True):
    """The order and the safety of a deployment; a setting of the same name takes precedence."""

    canary: Canary | None = Field(
        default=None, description="Databases that are first and must succeed: a number, or their names."
    )
    waves: Waves | None = Field(
        default=None, description="Rising percentages of the others that are done at the end of each wave."
    )
    failure_budget: Budget | None = Field(
        default=None,
        validation_alias=AliasChoices("failure_budget", "failure-budget"),
        description="Number or percentage of databases that may fail before no more are begun.",
    )


class FleetFile(BaseModel, frozen=True, extra="forbid", strict=True):
    """The databases of a fleet, and how they are deployed to."""

    databases: list[Source] = Field(min_length=1, description="Sources of the databases.")
    tokens: Literal["group", "mint", "given"] | None = Field(
        default=None,
        description="Tokens of the databases: one minted for each `group`, one for each database (`mint`), or "
        "`auth-token` for all (`given`). Default: `auth-token` if it is set, otherwise `group`.",
    )
    asleep: Literal["skip", "wake"] = Field(
        default="skip", description="Databases of a group that sleep: leave them out, or wake them."
    )
    rollout: RolloutKeys = Field(default=RolloutKeys(), description="Canary, waves and failure budget.")


class LoadedFleet(NamedTuple):
    """A fleet file with the lines of its sources, for messages. Files that it names are relative to `folder`."""

    content: FleetFile
    folder: Path
    places: tuple[Place, ...]


def load_fleet(name: str) -> LoadedFleet:
    """Read a fleet file. Raises InputError (`fleet-invalid`) with file and line of every error in it."""
    root = _read(name)
    try:
        content = validate({} if root.value is None else root.value, FleetFile)
    except ValidationError as error:
        lines = sorted((root.line_of(issue.path), issue.message) for issue in error.issues)
        raise _invalid([Cause(message, Place(name, line)) for line, message in lines]) from None
    lines_of_sources = (root.line_of(("databases", position)) for position in range(len(content.databases)))
    return LoadedFleet(content, Path(name).parent, tuple(Place(name, line) for line in lines_of_sources))


def fleet_json_schema() -> str:
    """Return the JSON Schema of the fleet file, as published in `docs/reference/fleet.schema.json`."""
    return json_schema(FleetFile, "turso-deploy fleet file")


def read_text(name: str, path: Path, max_bytes: int) -> str:
    """Return the text of a file that belongs to a fleet. `name` is its name in messages. Raises InputError."""
    try:
        return read_file(path, max_bytes, follow_links=True).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise fleet_error([Cause("it is not UTF-8 text", Place(name, line))], "Save it as UTF-8.", name) from None
    except TooLargeError:
        reason = f"it is larger than {max_bytes // 1_000_000} MB"
        raise fleet_error([Cause(reason, Place(name))], "Split the fleet into several runs.", name) from None
    except (OSError, ValueError) as error:  # ValueError for the character NUL
        reason = (error.strerror if isinstance(error, OSError) else None) or "no file has this name"
        hint = (
            "Name a file" if isinstance(error, SpecialFileError) else "Check the name, relative to the working folder"
        )
        raise fleet_error(
            [Cause(reason, Place(name))], f"{hint}; in a workflow, actions/checkout runs first.", name
        ) from None


def _read(name: str) -> Node:
    try:
        return read_yaml(read_text(name, Path(name), _MAX_BYTES), name)
    except YamlTextError as error:
        raise _invalid([Cause(error.message, Place(name, error.line, error.column))]) from None


def _invalid(causes: list[Cause]) -> Any:
    return fleet_error(causes, _HINT, "The fleet file")
