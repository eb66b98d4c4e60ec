"""What others write, into our types: taken strictly, and everything that is wrong with it told at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct, convert
from msgspec.structs import fields

T = TypeVar("T")
Read = Callable[[Any, Any], Any]
"""Makes a value of a type of ours from plain data; raises ValueError with the reason when it cannot."""

_WORDS = {str: "text", int: "an integer", float: "a number", bool: "`true` or `false`"}


class Issue(Struct, frozen=True):
    """One thing that is wrong: a sentence, and the keys that lead to the value."""

    message: str
    path: tuple[str | int, ...]


class ValidationError(Exception):
    """What somebody wrote cannot be taken; `faults` are all the reasons, in the order of what was written."""

    def __init__(self, faults: Sequence[Issue]) -> None:
        super().__init__("; ".join(fault.message for fault in faults))
        self.faults = tuple(faults)


class FieldType(NamedTuple):
    """A type in its parts: without `| None` and without what is noted at it, and the notes."""

    core: Any
    notes: tuple[Meta, ...]
    optional: bool


def field_type(annotation: Any) -> FieldType:
    """The parts of a field's type: `Annotated[X | None, Meta(…)]`, or less than that."""
    notes: tuple[Meta, ...] = ()
    optional = False
    while True:
        if get_origin(annotation) is Annotated:
            notes = (*annotation.__metadata__, *notes)
            annotation = annotation.__origin__
        elif get_origin(annotation) in (Union, UnionType):
            optional = True
            [annotation] = [member for member in get_args(annotation) if member is not NoneType]
        else:
            return FieldType(annotation, notes, optional)


def validate(value: Any, wanted: type[T], read: Read | None = None) -> T:
    """Plain data as a value of the type; `read` is for types that msgspec does not know. Raises FaultsError."""
    try:
        return convert(value, wanted, dec_hook=read)
    except msgspec.ValidationError:  # tells the first fault only
        raise ValidationError(list(_faults(value, wanted, (), read))) from None


def _faults(value: Any, wanted: Any, path: tuple[str | int, ...], read: Read | None) -> Iterator[Issue]:
    core, _, optional = field_type(wanted)
    if value is None and optional:
        return
    is_struct = isinstance(core, type) and issubclass(core, Struct)
    if is_struct or get_origin(core) is dict:
        if not isinstance(value, dict):
            yield Issue(_about(path, "expected a mapping"), path)
        elif is_struct:
            yield from _faults_of_struct(value, core, path, read)
        else:
            yield from _faults_of_members(value.items(), get_args(core)[1], path, read)
    elif get_origin(core) is tuple:
        if not isinstance(value, list):
            yield Issue(_about(path, "expected a list"), path)
        else:
            yield from _faults_of_members(enumerate(value), get_args(core)[0], path, read)
    else:
        yield from _faults_of_one(value, wanted, path, read)


def _faults_of_members(
    members: Iterable[tuple[str | int, Any]], wanted: Any, path: tuple[str | int, ...], read: Read | None
) -> Iterator[Issue]:
    for key, value in members:
        yield from _faults(value, wanted, (*path, key), read)


def _faults_of_struct(
    value: dict[str, Any], struct: type[Struct], path: tuple[str | int, ...], read: Read | None
) -> Iterator[Issue]:
    known = {field.encode_name: field for field in fields(struct)}
    for key, one in value.items():
        if key in known:
            yield from _faults(one, known[key].type, (*path, key), read)
        else:
            yield Issue(f"unknown key `{_dotted((*path, key))}`; known here: {', '.join(known)}", (*path, key))
    for key in [key for key, field in known.items() if field.required and key not in value]:
        yield Issue(f"`{_dotted((*path, key))}` is missing", (*path, key))


def _faults_of_one(value: Any, wanted: Any, path: tuple[str | int, ...], read: Read | None) -> Iterator[Issue]:
    try:
        convert(value, wanted, dec_hook=read)
    except msgspec.ValidationError as error:
        if field_type(wanted).core is str and path and not isinstance(value, str):
            yield Issue(f"`{_dotted(path)}` has to be text: write the value in quotes", path)
        elif isinstance(error.__cause__, ValueError):  # what `read` said
            yield Issue(_about(path, str(error.__cause__)), path)
        else:
            yield Issue(_about(path, f"expected {_expectation(wanted)}"), path)


def _expectation(wanted: Any) -> str:
    """What a value has to be, in words."""
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
