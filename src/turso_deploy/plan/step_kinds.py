"""The kinds of steps: a verb and the kind of object that it acts on."""

from __future__ import annotations

from enum import StrEnum


class Verb(StrEnum):
    """The action of a step."""

    CREATE = "create"
    REBUILD = "rebuild"
    REPLACE = "replace"
    """Drop and create, without the rows."""
    RENAME = "rename"
    ADD = "add"
    DROP = "drop"
    DROP_TEMPORARILY = "temporarily drop"
    """Drop because another step cannot run while the object exists; a later step recreates it."""
    RECREATE = "recreate"
    """Create again, as it was, after a temporary drop or after the rebuild of its table."""
    RUN = "run"
    WRITE = "write"


class StepKind(StrEnum):
    """A verb and a noun, such as `create table`. The value is the text of reports and of the deployment history.

    A plan has steps of all kinds except the last three, which only a report lists.
    """

    verb: Verb
    noun: str

    def __new__(cls, verb: Verb, noun: str) -> StepKind:
        """Return a member whose value is its verb and noun."""
        text = f"{verb} {noun}"
        member = str.__new__(cls, text)
        member._value_ = text
        member.verb = verb
        member.noun = noun
        return member

    CREATE_TABLE = Verb.CREATE, "table"
    REBUILD_TABLE = Verb.REBUILD, "table"
    REPLACE_TABLE = Verb.REPLACE, "table"
    RENAME_TABLE = Verb.RENAME, "table"
    DROP_TABLE = Verb.DROP, "table"
    ADD_COLUMN = Verb.ADD, "column"
    RENAME_COLUMN = Verb.RENAME, "column"
    DROP_COLUMN = Verb.DROP, "column"
    CREATE_INDEX = Verb.CREATE, "index"
    REBUILD_INDEX = Verb.REBUILD, "index"
    RECREATE_INDEX = Verb.RECREATE, "index"
    DROP_INDEX = Verb.DROP, "index"
    CREATE_VIEW = Verb.CREATE, "view"
    DROP_VIEW = Verb.DROP, "view"
    DROP_VIEW_TEMPORARILY = Verb.DROP_TEMPORARILY, "view"
    RECREATE_VIEW = Verb.RECREATE, "view"
    CREATE_TRIGGER = Verb.CREATE, "trigger"
    DROP_TRIGGER = Verb.DROP, "trigger"
    DROP_TRIGGER_TEMPORARILY = Verb.DROP_TEMPORARILY, "trigger"
    RECREATE_TRIGGER = Verb.RECREATE, "trigger"
    RUN_SCRIPT = Verb.RUN, "script"
    WRITE_FILE = Verb.WRITE, "file"
    WRITE_PAGE = Verb.WRITE, "page"

    @classmethod
    def of(cls, verb: Verb, noun: str) -> StepKind:
        """Return the kind with this verb and noun."""
        return next(kind for kind in cls if (kind.verb, kind.noun) == (verb, noun))
