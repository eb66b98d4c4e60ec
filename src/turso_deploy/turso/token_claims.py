"""The claims of tokens, as they are written in them, and the access that they grant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

LEEWAY = timedelta(minutes=5)
"""The tolerated difference between the clocks of this machine and of the server."""

READING = frozenset({"data_read"})
"""The fine-grained actions that only read (Turso's manual: fine-grained permissions)."""


def _moment(seconds: Any) -> Any:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return seconds
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError from error


Moment = Annotated[datetime, BeforeValidator(_moment)]
"""A moment, written as seconds since 1970."""


class Rule(BaseModel, frozen=True, strict=True, validate_by_name=True):
    """A fine-grained rule: the `actions` that it allows on `tables`, or on every table if it names none."""

    tables: list[str] | None = Field(default=None, validation_alias="t")
    actions: list[str] | None = Field(default=None, validation_alias="a")


class Claims(BaseModel, frozen=True, strict=True, validate_by_name=True):
    """The claims of a database token. An absent claim is None (or empty).

    `access` is `rw`, `ro` or `roa` (read, and attach); `restrictions` are the fine-grained rules.
    `scopes` are the permissions by namespace of newer sqld, which replace `access` and `database_id`.
    `key_id` names the key that signed the token; it changes when the keys are rotated.
    """

    access: str | None = Field(default=None, validation_alias="a")
    expires_at: Moment | None = Field(default=None, validation_alias="exp")
    issued_at: Moment | None = Field(default=None, validation_alias="iat")
    not_before: Moment | None = Field(default=None, validation_alias="nbf")
    key_id: Annotated[str, BeforeValidator(str)] | None = Field(default=None, validation_alias="kid")
    database_id: str | None = Field(default=None, validation_alias="id")
    restrictions: list[Rule] | None = Field(default=None, validation_alias="perm")
    scopes: dict[str, Any] | None = Field(default=None, validation_alias="p")

    @property
    def read_only(self) -> bool:
        """True if the token surely cannot write. A token without any claim has every right (sqld's rule)."""
        if self.scopes is not None:
            return bool(self.scopes) and self.scopes.keys() <= {"ro", "roa"}
        return self.access in ("ro", "roa") or bool(self.restrictions and self._actions() <= READING)

    @property
    def unrestricted_actions(self) -> frozenset[str]:
        """The fine-grained actions that the token allows on every table."""
        return self._actions(on_all_tables=True)

    def expired(self, now: datetime) -> bool:
        """Return True if it has expired by more than `LEEWAY`."""
        return self.expires_at is not None and self.expires_at + LEEWAY <= now

    def _actions(self, *, on_all_tables: bool = False) -> frozenset[str]:
        rules = [rule for rule in self.restrictions or () if not (on_all_tables and rule.tables)]
        return frozenset(action for rule in rules for action in rule.actions or ())
