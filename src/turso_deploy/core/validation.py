"""Validate external data (settings, documents, replies) with pydantic; every error has a sentence and a path."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, Union, get_args, get_origin

from turso_deploy.core.errors import DeployError

if TYPE_CHECKING:  # pydantic takes long to load: the help of a command needs the settings, but does not read any
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema, ErrorDetails

T = TypeVar("T")
Key = tuple[str | int, ...]
"""Path to a value: keys of mappings and positions in lists."""

INTEGER = "expected an integer"
NUMBER = "expected a number"
_SWITCH = "expected `true` or `false`"
_MAPPING = "expected a mapping"
_LIST = "expected a list"
_UNICODE = "expected text in UTF-8"
_NO_NUL = "expected text without the character NUL"
REASONS: Mapping[str, str] = {
    "bool_parsing": _SWITCH,
    "bool_type": _SWITCH,
    "dict_type": _MAPPING,
    "extra_forbidden": "unknown key {name}; known here: {known}",
    "float_type": NUMBER,
    "greater_than": "expected a number greater than {gt:.12g}",
    "greater_than_equal": "expected a number of at least {ge:.12g}",
    "int_type": INTEGER,
    "less_than_equal": "expected a number of at most {le:.12g}",
    "literal_error": "expected {expected}",
    "missing": "{name} is missing",
    "model_type": _MAPPING,
    "string_too_short": "expected text that is not empty",
    "string_type": "{name} must be text: write the value in quotes",
    "string_unicode": _UNICODE,
    "tuple_type": _LIST,
    "value_error": "{error}",
}
"""Our reason for each type of error that the models raise; https://docs.pydantic.dev/latest/errors/validation_errors/."""

OTHER_REASON = "the value is not valid"


class Issue(NamedTuple):
    """One error in the data: a clause, the path to the value, and the error that the parser of the value raised."""

    reason: str
    path: Key
    error: DeployError | None = None

    @property
    def message(self) -> str:
        """The reason after the name of the value, unless it contains the name."""
        name = _name(self.path)
        return self.reason if not self.path or name in self.reason else f"{name}: {self.reason}"


class ValidationError(Exception):
    """The data is not valid; `issues` are all errors, in the order of the fields of the model."""

    def __init__(self, issues: Sequence[Issue]) -> None:
        super().__init__("; ".join(issue.message for issue in issues))
        self.issues = tuple(issues)

    @property
    def names(self) -> str:
        """The names of the values that are not valid, in parentheses after a blank; empty for the document itself."""
        names = ", ".join(_name(issue.path) for issue in self.issues if issue.path)
        return f" ({names})" if names else ""


class Parsed(NamedTuple):
    """Metadata of a field that is written as text. `parse` converts the text; it raises ValueError or DeployError.

    `expected` is the reason for a text with bytes that are not UTF-8, which neither pydantic nor an output can encode.
    """

    parse: Callable[[str], Any]
    expected: str = _UNICODE

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the schema that pydantic uses in place of the type of the field; a number keeps its limits."""
        from pydantic_core.core_schema import chain_schema, no_info_after_validator_function, str_schema

        parsed = no_info_after_validator_function(self._parse, str_schema())
        return chain_schema([parsed, handler(source)]) if source in (int, float) else parsed

    def _parse(self, text: str) -> Any:
        if "\x00" in text:  # no path, address or name may hold it
            raise ValueError(_NO_NUL)
        try:
            text.encode()
            return self.parse(text)
        except UnicodeEncodeError:
            raise ValueError(self.expected) from None
        except DeployError as error:
            raise ValueError(error.message) from error  # the errors that pydantic collects


def validate(value: Any, model: type[T]) -> T:
    """Convert plain data to an instance of a model, by the names in the data. Raises ValidationError with every error.

    No message repeats a value, unless that of a parser does.
    """
    from pydantic import TypeAdapter
    from pydantic import ValidationError as PydanticError

    try:
        return TypeAdapter(model).validate_python(value, by_alias=True, by_name=False)
    except PydanticError as error:
        errors: dict[Key, list[ErrorDetails]] = {}
        for details in error.errors(include_url=False):
            errors.setdefault(_path(details, value), []).append(details)
        raise ValidationError([_issue(path, errors[path], model) for path in errors]) from None


def _path(details: ErrorDetails, value: Any) -> Key:
    """Return the path to the value of an error, without the types of a union, which pydantic writes into it."""
    path = []
    for step in details["loc"]:
        if step in value if isinstance(value, dict) else isinstance(value, list) and isinstance(step, int):
            path.append(step)
            value = value[step]
    return (*path, details["loc"][-1]) if details["type"] == "missing" else tuple(path)


def _issue(path: Key, errors: Sequence[ErrorDetails], model: Any) -> Issue:
    """Return one issue for the errors of one value: for a union, pydantic has an error for each of its types."""
    reasons = dict.fromkeys(_reason(details, path, model) for details in errors)
    [*_, cause] = [getattr(details.get("ctx", {}).get("error"), "__cause__", None) for details in errors]
    return Issue(", or ".join(reasons), path, cause)


def _reason(details: ErrorDetails, path: Key, model: Any) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "extra_forbidden":
        context["known"] = ", ".join(_known_keys(model, path[:-1]))
    elif kind == "literal_error":
        context["expected"] = context["expected"].replace("'", "`")
    elif kind == "string_type" and isinstance(details["input"], NoneType | list | dict):
        return "expected text"
    return REASONS.get(kind, OTHER_REASON).format(name=_name(path), **context)


def _name(path: Key) -> str:
    return f"`{'.'.join(map(str, path))}`"


def _known_keys(model: Any, path: Key) -> list[str]:
    """Return the keys of the model that describes the mapping at a path."""
    for key in path:
        model = _fields(model)[str(key)] if hasattr(model, "model_fields") else _content(model)
        if get_origin(model) in (Union, UnionType):
            model = _content(model)
    return list(_fields(model))


def _fields(model: Any) -> dict[str, Any]:
    """Return the types of the fields of a model by their keys in the data."""
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _content(annotation: Any) -> Any:
    """Return the type of the members of a mapping or a list, or the model in a union."""
    types = [type_ for type_ in get_args(annotation) if type_ not in (NoneType, Ellipsis)]
    return next((type_ for type_ in types if hasattr(type_, "model_fields")), types[-1])


def json_schema(model: Any, title: str, *, all_required: bool = False) -> str:
    """Return the JSON Schema of a model as text. With `all_required`, keys with a default are required, too."""
    from pydantic import TypeAdapter
    from pydantic.json_schema import GenerateJsonSchema

    class Generator(GenerateJsonSchema):
        def field_is_required(self, field: Any, total: bool) -> bool:
            return all_required or super().field_is_required(field, total)

        def field_title_should_be_set(self, schema: Any) -> bool:  # it would repeat the name
            return False

    schema = TypeAdapter(model).json_schema(schema_generator=Generator)
    return json.dumps({"$schema": Generator.schema_dialect, **schema, "title": title}, indent=2) + "\n"
