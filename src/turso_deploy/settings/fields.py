"""Fields of the settings: the types of their values, their groups in the help, and where a file may set them."""

import re
from collections.abc import Sequence
from dataclasses import field
from datetime import timedelta
from enum import Enum, StrEnum
from typing import Annotated, Any, NamedTuple, TypeVar

from turso_deploy.core.durations import format_duration, parse_duration
from turso_deploy.core.secret import Secret
from turso_deploy.core.validation import INTEGER, NUMBER, Parsed
from turso_deploy.database.address import Address, parse_address
from turso_deploy.fleet_sources.rollout import Shard, Share, parse_canary, parse_shard, parse_share, parse_waves
from turso_deploy.plan.hazards import Approval, parse_approvals

T = TypeVar("T")
_FINGERPRINT = (
    "expected the 64 characters of a fingerprint, as the output `plan-fingerprint` and the JSON report have it"
)


class Group(StrEnum):
    """Group of settings under one title in the help of a command, in the order of the help."""

    SCHEMA = "schema folder"
    DATABASE = "database"
    PLATFORM = "Turso Platform, to find the database and to mint a token"
    FLEET = "fleet: many databases with one schema"
    OPTIONS = "options of this command"
    GITHUB = "GitHub"
    TOKENS = "token checks"
    REPORT = "report"
    SOURCES = "files with settings"


class FileScope(Enum):
    """Part of the settings file that may hold a setting.

    A new setting is in none. Neither are secrets, which must not be in a repository; approvals and what decides about
    one run, because a file stays; and what shows more than the report does or decides where the API token is sent,
    because the file may be that of a pull request.
    """

    NOWHERE = "nowhere"
    DATABASE = "the table of one database"
    ANYWHERE = "the top of the file or the table of one database"


class Setting(NamedTuple):
    """One setting, as its field of `Settings` describes it. `group` is None for the command, which is no flag."""

    default: Any
    is_secret: bool
    description: str
    group: Group | None
    commands: Sequence[str]
    file_scope: FileScope

    @property
    def default_text(self) -> str:
        """Default as a workflow writes it; empty if there is none."""
        match self.default:
            case None | ():
                return ""
            case bool():
                return str(self.default).lower()
            case float():
                return f"{self.default:g}"
            case timedelta():
                return format_duration(self.default)
            case _:
                return str(self.default)

    @property
    def description_with_default(self) -> str:
        """Description for the place that has no column for the default: `action.yml`, which sets none itself."""
        return f"{self.description} Default: `{self.default_text}`." if self.default_text else self.description


def setting(
    default: T,
    description: str,
    group: Group | None = None,
    commands: Sequence[str] = (),
    file_scope: FileScope = FileScope.NOWHERE,
    **limits: Any,
) -> T:
    """Return the field of a setting that the help of `commands` shows in `group`; the command itself is no flag.

    pydantic takes the description and the limits from the metadata of the field:
    https://docs.pydantic.dev/latest/concepts/dataclasses/.
    """
    metadata = {"description": description, "group": group, "commands": commands, "file_scope": file_scope}
    return field(default=default, metadata={**metadata, **limits})


def _address(text: str) -> Address:
    """Parse a database URL. Plaintext HTTP depends on another setting, so `read_settings` decides on it."""
    return parse_address(text, allow_insecure_http=True)


def _names(text: str) -> tuple[str, ...]:
    """Parse names, separated by commas or line breaks."""
    return tuple(filter(None, (name.strip() for name in re.split(r"[,\n]", text))))


def _backfills(text: str) -> tuple[tuple[str, str], ...]:
    """Parse lines `TABLE.COLUMN=EXPRESSION`. A name with an equals sign is in double quotes."""
    found = []
    for line in filter(None, map(str.strip, text.split("\n"))):
        parsed = re.fullmatch(r'((?:"(?:[^"]|"")*"|[^="])+)=(.+)', line)
        if parsed is None or not parsed[2].strip():
            raise ValueError("expected TABLE.COLUMN=EXPRESSION, each in a line")
        found.append((parsed[1].strip(), parsed[2].strip()))
    return tuple(found)


def _integer(text: str) -> int:
    """Parse an integer. Python and pydantic also accept `1_000`, which a reader could take for something else."""
    if re.fullmatch(r"\s*[-+]?[0-9]{1,18}\s*", text):
        return int(text)
    raise ValueError(INTEGER)


def _number(text: str) -> float:
    if re.fullmatch(r"\s*[-+]?([0-9]+\.?|[0-9]*\.[0-9]+)(e[-+]?[0-9]+)?\s*", text, re.IGNORECASE):
        return float(text)
    raise ValueError(NUMBER)


def _fingerprint(text: str) -> str:
    """Parse the fingerprint of a plan. Its beginning is for people, and not enough to deploy by."""
    if re.fullmatch(r"[0-9a-f]{64}", text):
        return text
    raise ValueError(_FINGERPRINT)


Text = Annotated[str, Parsed(str)]
Integer = Annotated[int, Parsed(_integer, INTEGER)]
Number = Annotated[float, Parsed(_number, NUMBER)]
DatabaseUrl = Annotated[Address, Parsed(_address)]
SecretText = Annotated[Secret, Parsed(Secret)]
Names = Annotated[tuple[str, ...], Parsed(_names)]
Backfills = Annotated[tuple[tuple[str, str], ...], Parsed(_backfills)]
Approvals = Annotated[tuple[Approval, ...], Parsed(parse_approvals)]
Fingerprint = Annotated[str, Parsed(_fingerprint)]
Duration = Annotated[timedelta, Parsed(parse_duration)]
Canary = Annotated[int | tuple[str, ...], Parsed(parse_canary)]
Waves = Annotated[tuple[float, ...], Parsed(parse_waves)]
Budget = Annotated[Share, Parsed(parse_share)]
ShardText = Annotated[Shard, Parsed(parse_shard)]
