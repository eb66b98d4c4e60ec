"""Comment on a pull request that shows the latest report; https://docs.github.com/en/rest/issues/comments."""

from __future__ import annotations

import hashlib
import re
from contextlib import closing
from dataclasses import replace
from typing import NamedTuple

from pydantic import BaseModel

from turso_deploy.core.errors import DeployError, ErrorCode, ErrorExplanation, PlatformError
from turso_deploy.core.secret import Secret
from turso_deploy.core.text import encodable
from turso_deploy.github.api import open_api
from turso_deploy.github.context import RunContext
from turso_deploy.http.json_api import JsonApi, Reply, error_for_reply
from turso_deploy.report.document import Report
from turso_deploy.report.job_summary import summary

MAX_COMMENT_SIZE = 64 * 1024
"""Maximum size of a comment in bytes; GitHub counts 65,536 characters."""

_MARKER = re.compile(r"<!-- turso-deploy ([0-9a-f]{16}) ([0-9a-f]{16}) -->")
_PAGE_SIZE = 100
_MAX_PAGES = 30

_FORBIDDEN = ErrorExplanation(
    ErrorCode.API_FORBIDDEN,
    "the token does not have the permission",
    "Give the job the permission `pull-requests: write`; runs from a fork never have it.",
)
_UNKNOWN = ErrorExplanation(ErrorCode.UNEXPECTED_REPLY, "GitHub did not accept the request")


class _Comment(BaseModel, frozen=True, strict=True):
    id: int
    body: str | None = None


class _EarlierComment(NamedTuple):
    """The comment of an earlier run: its id, and the fingerprint of its text."""

    id: int
    content: str


def comment_on(report: Report, context: RunContext, token: Secret | None, schema_path: str, timeout: float) -> Report:
    """Create or update the comment on the pull request, and return the report.

    The report gets a notice if the comment could not be written; that is not a failure of the run. A run for no pull
    request writes no comment. `timeout` is the timeout of one request in seconds.
    """
    if context.pull_request is None or context.repository is None:
        return report
    try:
        _write_comment(report, context, token, schema_path, timeout)
    except DeployError as error:
        notice = f"The comment on the pull request was not written. {error.message} {error.hint or ''}".rstrip()
        return replace(report, notices=(*report.notices, notice))
    return report


def _write_comment(report: Report, context: RunContext, token: Secret | None, schema_path: str, timeout: float) -> None:
    if token is None:
        raise PlatformError(
            ErrorCode.API_FORBIDDEN,
            "The setting `comment` needs a GitHub token.",
            hint="Set `github-token: ${{ github.token }}`, and give the job the permission `pull-requests: write`.",
        )
    issues = f"/repos/{context.repository}/issues"
    # Each database and each schema folder has a comment of its own.
    owner = _fingerprint(f"{schema_path}\n{report.database}")
    # These values differ in every run and would change a comment that is otherwise the same.
    stable = replace(report, duration_ms=0, requests=0, deployment_id=None)
    text = encodable(summary(stable, MAX_COMMENT_SIZE - len(_marker(owner, owner)) - 1))
    content = _fingerprint(text)
    body = {"body": f"{_marker(owner, content)}\n{text}"}
    with closing(open_api(token.reveal(), timeout, context.api_url)) as api:
        earlier = _find(api, f"{issues}/{context.pull_request}/comments", owner)
        if earlier is None:
            _accept(api.call("POST", f"{issues}/{context.pull_request}/comments", body=body), "writing the comment")
        elif earlier.content != content:
            _accept(api.call("PATCH", f"{issues}/comments/{earlier.id}", body=body), "updating the comment")


def _find(api: JsonApi, path: str, owner: str) -> _EarlierComment | None:
    """Return the comment of an earlier run, if there is one."""
    for page in range(1, _MAX_PAGES + 1):
        query = {"per_page": str(_PAGE_SIZE), "page": str(page)}
        action = "reading the comments"
        reply = _accept(api.call("GET", path, query=query), action)
        comments = api.read(reply.document, list[_Comment], action)
        for comment in comments:
            match = _MARKER.match(comment.body or "")
            if match and match[1] == owner:
                return _EarlierComment(comment.id, match[2])
        if len(comments) < _PAGE_SIZE:
            break
    return None


def _accept(reply: Reply, action: str) -> Reply:
    if reply.ok:
        return reply
    explanation = _FORBIDDEN if reply.status in (401, 403, 404) else _UNKNOWN
    raise error_for_reply(reply, action, explanation, "GitHub")


def _marker(owner: str, content: str) -> str:
    return f"<!-- turso-deploy {owner} {content} -->"


def _fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:16]
