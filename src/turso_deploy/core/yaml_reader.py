"""Read YAML (manifest, notes, seed files) into plain data with the line of each value.

It implements the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema), so `no`, `on` and `2026-01-01`
are text. Anchors, aliases and tags are errors: they could make a small file very large, and hide its meaning. Only
`!!binary` is known, and only in seed files (https://yaml.org/type/binary.html).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import yaml

from turso_deploy.core.text import Unquoted
from turso_deploy.core.validation import Key

Scalar = None | bool | int | float | str | bytes
Plain = Scalar | list["Plain"] | dict[str, "Plain"]

_BINARY_TAG = "tag:yaml.org,2002:binary"
_MAX_DEPTH = 100
_FASTEST_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_NULL = re.compile(r"null|Null|NULL|~|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITY = re.compile(r"[-+]?\.(inf|Inf|INF)")
_NOT_A_NUMBER = re.compile(r"\.(nan|NaN|NAN)")

_CORE_SCHEMA: tuple[tuple[re.Pattern[str], Callable[[str], Scalar]], ...] = (
    (_NULL, lambda _: None),
    (_TRUE, lambda _: True),
    (_FALSE, lambda _: False),
    (_DECIMAL, int),
    (_OCTAL, lambda text: int(text[2:], 8)),
    (_HEXADECIMAL, lambda text: int(text[2:], 16)),
    (_FLOAT, float),
    (_INFINITY, lambda text: float(text.replace(".", ""))),
    (_NOT_A_NUMBER, lambda _: float("nan")),
)


class YamlTextError(Exception):
    """Malformed or disallowed YAML. `line` and `column` count from 1; `message` quotes no value."""

    def __init__(self, message: str, line: int, column: int, file: str) -> None:
        super().__init__(f"{file}:{line}:{column}: {message}")
        self.message = message
        self.line = line
        self.column = column


class Node(NamedTuple):
    """A value and its place: that of its first character, or of its key in a mapping."""

    content: Scalar | list[Node] | dict[str, Node]
    line: int
    column: int

    @property
    def value(self) -> Plain:
        """Value without its places."""
        if isinstance(self.content, dict):
            return {key: node.value for key, node in self.content.items()}
        if isinstance(self.content, list):
            return [node.value for node in self.content]
        return self.content

    def line_of(self, path: Key) -> int:
        """Return the line of the value at `path`, or of its deepest existing ancestor."""
        node = self
        for step in path:
            members: Any = dict(enumerate(node.content)) if isinstance(node.content, list) else node.content
            if not isinstance(members, dict) or step not in members:
                break
            node = members[step]
        return node.line


def scalar_of(text: str) -> Scalar:
    """Return the value of a scalar without quotes by the core schema. Raises ValueError for more than 4,300 digits."""
    for pattern, convert in _CORE_SCHEMA:
        if pattern.fullmatch(text):
            return convert(text)
    return text


def read_yaml(text: str, file: str, *, as_written: bool = False, loader: Any = _FASTEST_LOADER) -> Node:
    """Read one YAML document; an empty text is null. `file` is its name in errors, `loader` a class of PyYAML.

    With `as_written`, a scalar without quotes other than null is `Unquoted`, and `!!binary` is allowed.
    Keys are always text. Raises YamlTextError for malformed text, a duplicate key, an anchor, an alias, a tag, a second
    document, nesting beyond 100 levels or an integer of more than 4,300 digits.
    """
    unprintable = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if unprintable:
        line_start = text.rfind("\n", 0, unprintable.start())
        line = text.count("\n", 0, unprintable.start()) + 1
        raise YamlTextError("a control character is not allowed here", line, unprintable.start() - line_start, file)
    try:
        return _Builder(file, yaml.parse(text, Loader=loader), as_written).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlTextError(error.problem or "malformed YAML", *_line_and_column(mark), file) from None


def _line_and_column(mark: Any) -> tuple[int, int]:
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


class _Builder:
    """Builds nodes from parser events, so that disallowed YAML is rejected before any value is constructed."""

    def __init__(self, file: str, events: Iterator[yaml.Event], as_written: bool) -> None:
        self.file = file
        self.events = events
        self.as_written = as_written

    def document(self) -> Node:
        root = Node(None, 1, 1)
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                root = self._node(next(self.events), 0)
                break
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                raise self._error("a second document is not allowed", event)
        return root

    def _node(self, event: yaml.Event, depth: int) -> Node:
        if isinstance(event, yaml.AliasEvent):
            raise self._error("aliases (`*name`) are not allowed", event)
        assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)
        if event.anchor is not None:
            raise self._error("anchors (`&name`) are not allowed", event)
        is_binary = self.as_written and isinstance(event, yaml.ScalarEvent) and event.tag == _BINARY_TAG
        if event.tag is not None and not is_binary:
            raise self._error("tags (`!name`) are not allowed", event)
        if depth > _MAX_DEPTH:
            raise self._error(f"nested more than {_MAX_DEPTH} levels deep", event)
        content: Scalar | list[Node] | dict[str, Node]
        if isinstance(event, yaml.ScalarEvent):
            content = self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            content = self._sequence(depth)
        else:
            content = self._mapping(depth)
        return Node(content, *_line_and_column(event.start_mark))

    def _scalar(self, event: yaml.ScalarEvent) -> Scalar:
        text = str(event.value)
        if event.tag is not None:
            try:
                return base64.b64decode("".join(text.split()), validate=True)
            except binascii.Error:
                raise self._error("`!!binary` needs a value in Base64", event) from None
        is_plain = event.implicit[0]
        if not is_plain:
            return text
        if self.as_written:
            return None if _NULL.fullmatch(text) else Unquoted(text)
        try:
            return scalar_of(text)
        except ValueError:  # https://docs.python.org/3/library/stdtypes.html#int-max-str-digits
            raise self._error("the integer has too many digits", event) from None

    def _sequence(self, depth: int) -> list[Node]:
        items = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        return items

    def _mapping(self, depth: int) -> dict[str, Node]:
        members: dict[str, Node] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise self._error("a key must be a single word or text", event)
            key = self._node(event, depth)
            name = str(event.value)
            if name in members:
                raise self._error("the key appears twice in one mapping", event)
            member = self._node(next(self.events), depth + 1)
            members[name] = Node(member.content, key.line, key.column)
        return members

    def _error(self, message: str, event: yaml.Event) -> YamlTextError:
        return YamlTextError(message, *_line_and_column(event.start_mark), self.file)
