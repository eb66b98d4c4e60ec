"""The definitions of a schema folder as parts of its files: replaced and removed where they stand, or added."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

from turso_deploy.catalog.sources import Source
from turso_deploy.core.schema_folder import SchemaFolder
from turso_deploy.folder_update.table_edits import Edit, edited
from turso_deploy.project.schema_writer import file_names
from turso_deploy.sql.comments import without_directives
from turso_deploy.sql.lexer import TokenKind, code_tokens, fold_case, scan
from turso_deploy.sql.schema import AnyTable, Index, SchemaObject, Trigger, View, target_of

Key = tuple[str, str]
_VIEWS = "views.sql"


class Definition(NamedTuple):
    """A definition in a file of the schema folder, by the name of that file."""

    file: str
    source: Source

    @property
    def text(self) -> str:
        """The statement without its semicolon."""
        return self.source.statement.text


def definitions_of(folder: SchemaFolder, sources: Iterable[Source]) -> dict[Key, Definition]:
    """Return the definitions by kind and folded name."""
    start = len(f"{folder.shown}/")
    return {source.key: Definition(source.place.file[start:], source) for source in sources}


def as_statement(sql: str) -> str:
    """Return the SQL of an object without directives, and without comments behind its last word."""
    text = without_directives(sql)
    *_, last = code_tokens(text)
    return text[: last.end]


class FolderEdits:
    """Edits of the SQL files of a schema folder. Nothing is written; `files` returns the changed texts."""

    def __init__(self, folder: SchemaFolder, definitions: Mapping[Key, Definition]) -> None:
        self._folder = folder
        self._definitions = definitions
        self._edits: dict[str, list[Edit]] = {}
        self._added: dict[str, list[str]] = {}
        self._files: dict[Key, str] = {key: found.file for key, found in definitions.items()}

    def has(self, key: Key) -> bool:
        """Return True if a file of the folder defines the object."""
        return key in self._definitions

    def replace(self, key: Key, sql: str) -> None:
        """Replace a statement; the comments above it stay."""
        found = self._definitions[key]
        start = found.source.statement.offset
        self._edits.setdefault(found.file, []).append(Edit(start, start + len(found.text), sql))

    def remove(self, key: Key) -> None:
        """Remove a statement with the comments directly above it, and with the line that it ends."""
        found = self._definitions[key]
        text = self._folder.read_text(found.file)
        statement = found.source.statement
        start = min([statement.offset, *(comment.start for comment in statement.comments)])
        end = statement.offset + len(statement.text)
        after = next(code_tokens(text, end), None)
        if after and after.text == ";":
            end = after.end
        comment = next(scan(text, end), None)
        if comment and comment.kind is TokenKind.COMMENT and "\n" not in text[end : comment.start]:
            end = comment.end
        start = len(text[:start].rstrip(" \t"))
        rest = text[end:].lstrip(" \t\r")
        if rest.startswith("\n") and (start == 0 or text[start - 1] == "\n"):
            end = len(text) - len(rest) + 1
            while text[end : end + 1] == "\n" and text[max(0, start - 2) : start] in ("", "\n", "\n\n"):
                end += 1
        self._edits.setdefault(found.file, []).append(Edit(start, end, ""))

    def add(self, item: SchemaObject) -> None:
        """Add an object: to the file of its table or view, or a table to a new file if tables have files of their own.

        Views follow the last view of the folder.
        """
        name = self._file_for(item)
        self._files[item.kind, fold_case(item.name)] = name
        self._added.setdefault(name, []).append(f"{as_statement(item.sql)};\n")

    def _file_for(self, item: SchemaObject) -> str:
        if isinstance(item, Index | Trigger):
            target = target_of(item)
            return self._files.get(("table", target)) or self._files.get(("view", target)) or self._new_name(item.table)
        if isinstance(item, View):
            views = [name for (kind, _), name in self._files.items() if kind == "view"]
            return views[-1] if views else _VIEWS
        assert isinstance(item, AnyTable)
        files = list(dict.fromkeys(name for (kind, _), name in self._files.items() if kind == "table"))
        tables = sum(kind == "table" for kind, _ in self._files)
        return files[0] if len(files) == 1 < tables else self._new_name(item.name)

    def _new_name(self, name: str) -> str:
        taken = [PurePosixPath(file).stem for file in self._folder.entries("*.sql")]
        taken += [PurePosixPath(file).stem for file in self._added]
        [found] = file_names([name], taken)
        return found

    def files(self) -> dict[str, str]:
        """Return the changed files; the text of a file that holds nothing any more is empty."""
        found = {}
        for name in dict.fromkeys((*self._edits, *self._added)):
            text = self._folder.read_text(name) if self._folder.has(name) else ""
            line_end = "\r\n" if "\r\n" in text else "\n"
            edits = [edit._replace(text=_with_line_ends(edit.text, line_end)) for edit in self._edits.get(name, ())]
            text = edited(text, edits)
            for statement in self._added.get(name, ()):
                text = _appended(text, _with_line_ends(statement, line_end), line_end)
            found[name] = text if text.strip() else ""
        return found


def _with_line_ends(text: str, line_end: str) -> str:
    return line_end.join(text.replace("\r\n", "\n").split("\n"))


def _appended(text: str, statement: str, line_end: str) -> str:
    """Return a file with a statement at its end, after an empty line and the semicolon that it may lack."""
    body = text.rstrip()
    if not body:
        return statement
    *_, last = (token.text for token in code_tokens(f";{body}"))
    closed = "" if last == ";" else f"{line_end};"
    return f"{body}{closed}{line_end}{line_end}{statement}"
