"""Temporary branches of a database: created for one use, and deleted however that use ends."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import NamedTuple
from uuid import uuid4

from turso_deploy.core.errors import DeployError, ErrorCode
from turso_deploy.core.signals import cancel_on_signals
from turso_deploy.http.backoff import poll
from turso_deploy.turso.platform import MAX_NAME_LENGTH, Platform, PlatformDatabase
from turso_deploy.turso.token_checks import TokenReply, ask

_SURELY_NOT_CREATED = (
    ErrorCode.NAME_TAKEN,  # the branch of that name is not ours
    ErrorCode.INPUT_INVALID,
    ErrorCode.API_TOKEN_REJECTED,
    ErrorCode.API_FORBIDDEN,
    ErrorCode.PLAN_LIMIT,
    ErrorCode.DATABASE_NOT_FOUND,
    ErrorCode.RATE_LIMITED,
)
_NOT_RUNNING_YET = (ErrorCode.UNREACHABLE, ErrorCode.DATABASE_NOT_FOUND, ErrorCode.SERVER_ERROR)
_MAX_ATTEMPTS = 20


class Branch(NamedTuple):
    """A branch in use. `token` grants full access, expires by itself, and is already masked."""

    database: PlatformDatabase
    token: str


@contextmanager
def temporary_branch(
    platform: Platform,
    origin: PlatformDatabase,
    mask: Callable[[str], None],
    notices: list[str],
    *,
    lifetime: timedelta,
    timeout: float,
    keep: bool = False,
    interval: float = 1.0,
) -> Iterator[Branch]:
    """Create a branch of `origin` with its own read-write token, and delete it at the end, also after an error.

    With `keep` the branch stays. A notice is added to `notices` if it is kept or could not be deleted. `interval` is
    the time in seconds between two checks whether a new branch answers.
    Raises PlatformError if the branch cannot be created, and every error of the body.
    """
    name = branch_name(origin.name, f"trial-{uuid4().hex[:8]}")
    with _cancel_unless_handled():
        try:
            database = platform.create_branch(name, origin)
        except DeployError as error:
            if error.code not in _SURELY_NOT_CREATED:  # the reply is lost: the branch may exist
                _delete(platform, name, notices)
            raise
        except BaseException:
            _delete(platform, name, notices)
            raise
        try:
            token = platform.mint(name, lifetime, read_only=False)
            mask(token)
            await_answer(database, token, timeout, interval)
            yield Branch(database, token)
        finally:
            if keep:
                notices.append(f"The branch {name} is kept. It counts as a database until it is deleted.")
            else:
                _delete(platform, name, notices)


def branch_name(origin: str, purpose: str) -> str:
    """Return a name for a branch that respects the maximum length, for an origin of any name."""
    start = "".join(letter if letter.isalnum() else "-" for letter in origin.lower())
    return f"{start[: MAX_NAME_LENGTH - len(purpose) - 1].rstrip('-')}-{purpose}"


def await_answer(database: PlatformDatabase, token: str, timeout: float, interval: float) -> TokenReply:
    """Query a new database until it answers: its name and keys take a moment to be known everywhere.

    Raises the last error if it does not answer.
    """
    answer = poll(
        lambda: ask(database.address, token, timeout),
        lambda reply: reply.error is None or reply.error.code not in _NOT_RUNNING_YET,
        interval=interval,
        attempts=_MAX_ATTEMPTS,
    )
    if answer.error is not None:
        raise answer.error
    return answer


def _delete(platform: Platform, name: str, notices: list[str]) -> None:
    """Delete a branch, or add a notice that it could not be deleted. A branch that does not exist is no error."""
    try:
        platform.delete(name)
    except DeployError as error:
        if error.code is not ErrorCode.DATABASE_NOT_FOUND:
            notices.append(
                f"The branch {name} may still exist, because it could not be deleted: {error.message} "
                f"Delete it with `turso db destroy {name}`."
            )


def _cancel_unless_handled() -> AbstractContextManager[None]:
    """Let SIGTERM, with which a runner ends a cancelled job, raise an error, so that the branch is deleted.

    A process that handles the signal already, as the command line does, keeps its own handler.
    """
    is_handled = signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    return nullcontext() if is_handled else cancel_on_signals()
