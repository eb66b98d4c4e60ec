"""Load the YAML documents of the schema folder (manifest, notes) into their models, with the place of every error."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, TypeVar

from turso_deploy.core.errors import Cause, ErrorCode, Place, ProjectError, listed
from turso_deploy.core.schema_folder import SchemaFileError, SchemaFolder
from turso_deploy.core.validation import Key, ValidationError, validate
from turso_deploy.core.yaml_reader import Node, YamlTextError, read_yaml

T = TypeVar("T")
_MAX_BYTES = 1_000_000  # a document of this size describes ten thousand tables, and takes seconds to read


class Document(NamedTuple):
    """One of the YAML documents: its file name, its name in messages, and the hint of its errors."""

    name: str
    title: str
    hint: str

    def load(self, folder: SchemaFolder, model: type[T]) -> T:
        """Read the document; an empty one is an empty mapping.

        Raises ProjectError (`manifest-invalid`) with file and line of every error in it.
        """
        root = self._read(folder)
        try:
            return validate({} if root.value is None else root.value, model)
        except ValidationError as error:
            lines = sorted((root.line_of(issue.path), issue.message) for issue in error.issues)
            raise self.error([Cause(message, folder.place(self.name, line)) for line, message in lines]) from None

    def require_exact_name(self, folder: SchemaFolder) -> None:
        """Raise ProjectError if the document is there under another name, and would silently not be read."""
        stem = self.name.removesuffix(".yml")
        for name in folder.entries("*"):
            if name.lower() in (f"{stem}.yml", f"{stem}.yaml", f"{stem}.json"):
                raise self.error([Cause(f"its name has to be {self.name}", folder.place(name))])

    def place(self, folder: SchemaFolder, path: Key) -> Place:
        """Return the place of the value at a path; reads the file again."""
        return folder.place(self.name, self._read(folder).line_of(path))

    def error(self, causes: Sequence[Cause], hint: str | None = None) -> ProjectError:
        """Return the error of a document with these causes."""
        message = f"{self.title} cannot be used:{listed(causes)}"
        place = causes[0].place
        return ProjectError(ErrorCode.MANIFEST_INVALID, message, hint=hint or self.hint, place=place, causes=causes)

    def _read(self, folder: SchemaFolder) -> Node:
        try:
            return _parse(folder.read_text(self.name, _MAX_BYTES), self.name)
        except SchemaFileError as error:
            raise self.error([Cause(error.reason, error.place)], error.hint) from None
        except YamlTextError as error:
            place = folder.place(self.name, error.line, error.column)
            raise self.error([Cause(error.message, place)]) from None


@lru_cache(maxsize=2)
def _parse(text: str, file: str) -> Node:
    """Return a document with its places, parsed once even if thousands of missing objects are looked up in it."""
    return read_yaml(text, file)
