"""The event that started a workflow run, as the runner's event file describes it: its pull request and its commit.

The payload of each event: https://docs.github.com/en/webhooks/webhook-events-and-payloads
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from turso_deploy.core.files import read_file
from turso_deploy.core.text import enumerated
from turso_deploy.github.context import RunContext
from turso_deploy.history.git_checkout import read_checkout

_MAX_EVENT_SIZE = 32 * 1024 * 1024  # bytes; GitHub sends at most 25 MB
_MERGE_REF = re.compile(r"refs/pull/([1-9][0-9]{0,17})/(?:merge|head)")
# https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/configuring-pull-request-merges/managing-a-merge-queue
_QUEUE_REF = re.compile(r"(?:refs/heads/)?gh-readonly-queue/.+/pr-([1-9][0-9]{0,17})-[0-9a-f]+")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_OF_A_COMMIT = ("push", "workflow_run", "workflow_dispatch", "release", "deployment", "create")
"""The events whose commit may belong to a pull request that the event does not name."""
_OF_A_PULL_REQUEST = ("pull_request", "merge_group", "issue_comment")


class RunSubject(NamedTuple):
    """What a run is about: a pull request, or a commit that may belong to one.

    `reason` says why the number is not known, as a clause. With `may_belong` GitHub's API may know the pull request of
    the commit.
    """

    number: int | None = None
    commit: str | None = None
    reason: str = ""
    may_belong: bool = False


class UnreadableEventError(Exception):
    """The event file is missing, cut, or no JSON object; the text says which, as a clause."""


def subject_of(context: RunContext) -> RunSubject:
    """Return what a run is about, by the event file and by the ref. An event file that cannot be read is no error."""
    name = context.event_name or "no event"
    try:
        event = read_event(context)
        problem = ""
    except UnreadableEventError as error:
        event, problem = {}, str(error)
    number, commit = _pull_request_in(event), _commit_in(event)
    if number is None and (match := _MERGE_REF.fullmatch(context.ref or "") or _QUEUE_REF.fullmatch(context.ref or "")):
        number = int(match[1])
    if number is not None:
        return RunSubject(number, commit or (None if event.get("issue") else context.commit_sha))
    if context.event_name in _OF_A_COMMIT:
        commit = commit or context.commit_sha
        reason = _several(event) or (problem if context.event_name == "workflow_run" else "")
        return RunSubject(None, commit, reason or "its commit is not known", may_belong=bool(commit and not reason))
    if "issue" in event:
        return RunSubject(None, None, "the comment that started this run is on an issue, not on a pull request")
    if name.startswith(_OF_A_PULL_REQUEST):
        return RunSubject(None, context.commit_sha, problem or "the event file names no pull request")
    return RunSubject(None, context.commit_sha, f"a run of `{name}` belongs to no pull request")


def commit_of_files(context: RunContext, head: str | None) -> str | None:
    """Return the commit whose files the run has read: that of the checkout, or `head` if that is what it tests.

    Workflows on other events than `pull_request` check out the default branch unless they name a ref, and the event
    does not say which. Without a checkout in the workspace, the head of the pull request is all that is known.
    """
    files = read_checkout(context.workspace, {}).commit_sha if context.workspace else None
    tests_head = files == context.commit_sha and _MERGE_REF.fullmatch(context.ref or "")
    return head if files is None or (head and tests_head) else files


def read_event(context: RunContext) -> Mapping[str, Any]:
    """Return the payload of the event. Raises UnreadableEventError."""
    if context.event_file is None:
        raise UnreadableEventError("the runner names no event file (`GITHUB_EVENT_PATH`)")
    try:
        event = json.loads(read_file(context.event_file, _MAX_EVENT_SIZE, follow_links=True))
    except OSError as error:
        raise UnreadableEventError(f"the event file cannot be read ({error.strerror or 'too large'})") from None
    except (
        ValueError,
        RecursionError,
        MemoryError,
    ):  # of which a cut file and bytes that are not UTF-8 are ValueErrors
        raise UnreadableEventError("the event file is no JSON, or is cut") from None
    if not isinstance(event, dict):
        raise UnreadableEventError("the event file is no JSON object")
    return event


def _pull_request_in(event: Mapping[str, Any]) -> int | None:
    """Return the number of the one pull request that an event names; None for none and for several."""
    issue = _mapping(event, "issue")
    if "pull_request" in issue:
        return _number(issue)
    if number := _number(_mapping(event, "pull_request")):
        return number
    if match := _QUEUE_REF.fullmatch(str(_mapping(event, "merge_group").get("head_ref"))):
        return int(match[1])
    numbers = _of_workflow_run(event)
    return numbers[0] if len(numbers) == 1 else None


def _of_workflow_run(event: Mapping[str, Any]) -> list[int]:
    """Return the numbers of the pull requests of a `workflow_run`, without those of other repositories."""
    listed = _mapping(event, "workflow_run").get("pull_requests")
    own = _mapping(event, "repository").get("id")
    found = dict[int, None]()
    for one in listed if isinstance(listed, list) else ():
        base = _mapping(_mapping(_as_mapping(one), "base"), "repo").get("id", own)
        if (number := _number(_as_mapping(one))) and base == own:
            found[number] = None
    return list(found)


def _several(event: Mapping[str, Any]) -> str:
    numbers = _of_workflow_run(event)
    return f"the run belongs to several pull requests ({listed_numbers(numbers)})" if len(numbers) > 1 else ""


def listed_numbers(numbers: Iterable[int]) -> str:
    """Return the numbers of pull requests as text: `#7, #9`."""
    return enumerated([f"#{number}" for number in numbers], "pull request")


def _commit_in(event: Mapping[str, Any]) -> str | None:
    """Return the commit that an event is about: the head of a pull request, not the merge that GitHub tests."""
    head = _mapping(_mapping(event, "pull_request"), "head").get("sha")
    others = (_mapping(event, name).get("head_sha") for name in ("merge_group", "workflow_run"))
    return next((text for text in (head, *others) if isinstance(text, str) and _COMMIT.fullmatch(text)), None)


def _number(item: Mapping[str, Any]) -> int | None:
    number = item.get("number")
    return number if type(number) is int and number > 0 else None


def _mapping(item: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    return _as_mapping(item.get(key))


def _as_mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
