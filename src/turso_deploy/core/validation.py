"""Validate external data (settings, manifest, notes) strictly, and collect every error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct, convert
from msgspec.structs import fields

T = TypeVar("T")
Read = Callable[[Any, Any], Any]
"""Converts plain data to a value of a given type; raises ValueError with the reason if it cannot."""

_WORDS = {str: "text", int: "an integer", float: "a number", bool: "`true` or `false`"}


class Issue(Struct, frozen=True):
    """One error in the data: a sentence, and the keys that lead to the value."""

    message: str
    path: tuple[str | int, ...]


class ValidationError(Exception):
    """The data is not valid; `issues` are all errors, in the order of the data."""

    def __init__(self, issues: Sequence[Issue]) -> None:
        super().__init__("; ".join(issue.message for issue in issues))
        self.issues = tuple(issues)


class FieldType(NamedTuple):
    """An annotation in its parts: the type without `| None`, the metadata, and whether None is allowed."""

    core: Any
    notes: tuple[Meta, ...]
    optional: bool


def field_type(annotation: Any) -> FieldType:
    """Split the annotation of a field, such as `Annotated[X | None, Meta(…)]`, into its parts."""
    notes: tuple[Meta, ...] = ()
    optional = False
    while True:
        if get_origin(annotation) is Annotated:
            notes = (*annotation.__metadata__, *notes)
            annotation = annotation.__origin__
        elif get_origin(annotation) in (Union, UnionType):
            members = [member for member in get_args(annotation) if member is not NoneType]
            optional = optional or NoneType in get_args(annotation)
            if len(members) > 1:
                return FieldType(Union[tuple(members)], notes, optional)  # noqa: UP007 (of a list of types)
            [annotation] = members
        else:
            return FieldType(annotation, notes, optional)


def validate(value: Any, wanted: type[T], read: Read | None = None) -> T:
    """Convert plain data to a value of the type. Raises ValidationError with every error.

    `read` converts to types that msgspec does not know.
    """
    try:
        return convert(value, wanted, dec_hook=read)
    except msgspec.ValidationError:  # it names the first error only
        raise ValidationError(list(_issues(value, wanted, (), read))) from None


def _issues(value: Any, wanted: Any, path: tuple[str | int, ...], read: Read | None) -> Iterator[Issue]:
    core, _, optional = field_type(wanted)
    if value is None and optional:
        return
    is_struct = isinstance(core, type) and issubclass(core, Struct)
    if is_struct or get_origin(core) is dict:
        if not isinstance(value, dict):
            yield Issue(_about(path, "expected a mapping"), path)
        elif is_struct:
            yield from _issues_of_struct(value, core, path, read)
        else:
            yield from _issues_of_members(value.items(), get_args(core)[1], path, read)
    elif get_origin(core) is tuple:
        if not isinstance(value, list):
            yield Issue(_about(path, "expected a list"), path)
        else:
            yield from _issues_of_members(enumerate(value), get_args(core)[0], path, read)
    else:
        yield from _issues_of_value(value, wanted, path, read)


def _issues_of_members(
    members: Iterable[tuple[str | int, Any]], wanted: Any, path: tuple[str | int, ...], read: Read | None
) -> Iterator[Issue]:
    for key, value in members:
        yield from _issues(value, wanted, (*path, key), read)


def _issues_of_struct(
    value: dict[str, Any], struct: type[Struct], path: tuple[str | int, ...], read: Read | None
) -> Iterator[Issue]:
    known = {field.encode_name: field for field in fields(struct)}
    for key, one in value.items():
        if key in known:
            yield from _issues(one, known[key].type, (*path, key), read)
        else:
            yield Issue(f"unknown key `{_dotted((*path, key))}`; known here: {', '.join(known)}", (*path, key))
    for key in [key for key, field in known.items() if field.required and key not in value]:
        yield Issue(f"`{_dotted((*path, key))}` is missing", (*path, key))


def _issues_of_value(value: Any, wanted: Any, path: tuple[str | int, ...], read: Read | None) -> Iterator[Issue]:
    try:
        convert(value, wanted, dec_hook=read)
    except msgspec.ValidationError as error:
        if field_type(wanted).core is str and path and not isinstance(value, str):
            yield Issue(f"`{_dotted(path)}` must be text: write the value in quotes", path)
        elif isinstance(error.__cause__, ValueError):  # the reason from `read`
            yield Issue(_about(path, str(error.__cause__)), path)
        else:
            yield Issue(_about(path, f"expected {_expectation(wanted)}"), path)


def _expectation(wanted: Any) -> str:
    """Describe the values that a type accepts: `an integer, at least 1`."""
    core, notes, _ = field_type(wanted)
    if get_origin(core) is Literal:
        *most, last = (f"`{choice}`" for choice in get_args(core))
        return f"{', '.join(most)} or {last}"
    limits = [limit for note in notes for limit in _limits(note)]
    return _WORDS[core] + (f", {' and '.join(limits)}" if limits else "")


def _limits(note: Meta) -> Iterator[str]:
    if note.gt is not None:
        yield f"greater than {note.gt}"
    if note.ge is not None:
        yield f"at least {note.ge}"
    if note.le is not None:
        yield f"at most {note.le}"
    if note.min_length is not None:
        yield f"at least {note.min_length} character{'s' if note.min_length != 1 else ''}"


def _about(path: tuple[str | int, ...], message: str) -> str:
    return f"`{_dotted(path)}`: {message}" if path else message


def _dotted(path: tuple[str | int, ...]) -> str:
    return ".".join(map(str, path))
