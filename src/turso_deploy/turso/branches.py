"""Branches of a live database: one that is gone when its use is over, however that ends."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import Any
from uuid import uuid4

from msgspec import Struct

from turso_deploy.core.errors import DeployError, ErrorCode
from turso_deploy.turso.platform import LONGEST_NAME, Platform, PlatformDatabase
from turso_deploy.turso.token_checks import Answer, ask

_SURELY_NOT_CREATED = (
    ErrorCode.NAME_TAKEN,  # then it is somebody else's
    ErrorCode.INPUT_INVALID,
    ErrorCode.API_TOKEN_REFUSED,
    ErrorCode.API_FORBIDDEN,
    ErrorCode.PLAN_LIMIT,
    ErrorCode.DATABASE_NOT_FOUND,
    ErrorCode.RATE_LIMITED,
)
_NOT_UP_YET = (ErrorCode.UNREACHABLE, ErrorCode.DATABASE_NOT_FOUND, ErrorCode.SERVER_ERROR)
_ATTEMPTS = 20


class Branch(Struct, frozen=True):
    """A branch in use. `token` opens it with full access and lapses by itself; it is masked already."""

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
    pause: float = 1.0,
) -> Iterator[Branch]:
    """A branch of `origin` with a read-write token of its own, deleted at the end: also after an error or an interrupt.

    With `keep` it stays. To `notices` is added what is to be told about its end: that it is kept, or could not be
    deleted. `pause` is the seconds between two looks at whether a new branch answers already.
    Raises PlatformError when it cannot be created, and what the body raises.
    """
    name = branch_name(origin.name, f"rehearsal-{uuid4().hex[:8]}")
    with _terminated_as_interrupted():
        try:
            database = platform.create_branch(name, origin)
        except DeployError as error:
            if error.code not in _SURELY_NOT_CREATED:  # the reply is lost: the branch may be there
                _delete(platform, name, notices)
            raise
        except BaseException:
            _delete(platform, name, notices)
            raise
        try:
            token = platform.mint(name, lifetime, read_only=False)
            mask(token)
            await_answer(database, token, timeout, pause)
            yield Branch(database, token)
        finally:
            if keep:
                notices.append(f"The branch {name} is kept. It counts as a database until it is deleted.")
            else:
                _delete(platform, name, notices)


def branch_name(origin: str, purpose: str) -> str:
    """A name for a branch that is no longer than a name may be, whatever the name of its origin is."""
    start = "".join(letter if letter.isalnum() else "-" for letter in origin.lower())
    return f"{start[: LONGEST_NAME - len(purpose) - 1].rstrip('-')}-{purpose}"


def await_answer(database: PlatformDatabase, token: str, timeout: float, pause: float) -> Answer:
    """Ask a new database until it answers: its name and its keys may take a moment to be known everywhere."""
    answer = ask(database.address, token, timeout)
    for _ in range(_ATTEMPTS - 1):
        if answer.error is None or answer.error.code not in _NOT_UP_YET:
            break
        time.sleep(pause)
        answer = ask(database.address, token, timeout)
    if answer.error is not None:
        raise answer.error
    return answer


def _delete(platform: Platform, name: str, notices: list[str]) -> None:
    """Delete the branch, or tell that it could not be. One that is not there (any more) is no matter."""
    try:
        platform.delete(name)
    except DeployError as error:
        if error.code is not ErrorCode.DATABASE_NOT_FOUND:
            notices.append(
                f"The branch {name} may be left over, because it could not be deleted: {error.message} "
                f"Delete it with `turso db destroy {name}`."
            )


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM, with which a runner ends a job that was cancelled, unwind as Ctrl-C does, so that clean-up runs.

    Where the process handles the signal by itself, and so unwinds already, it is left to that.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def interrupt(_number: int, _frame: FrameType | None) -> Any:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
