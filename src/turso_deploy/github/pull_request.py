"""The report as one comment on the pull request, kept up to date; https://docs.github.com/en/rest/issues/comments."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from turso_deploy.core.errors import DeployError, ErrorCode, PlatformError
from turso_deploy.core.secret import Secret
from turso_deploy.github.context import RunContext
from turso_deploy.github.secrets import API_URL
from turso_deploy.http.json_api import JsonApi, Reply
from turso_deploy.report.document import Report
from turso_deploy.report.job_summary import summary

LONGEST_COMMENT = 64 * 1024
"""The bytes that a comment may have; GitHub counts 65,536 characters."""

_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
_MARKER = re.compile(r"<!-- turso-deploy ([0-9a-f]{16}) ([0-9a-f]{16}) -->")
_ON_A_PAGE = 100
_MOST_PAGES = 30


class _Comment(Struct, frozen=True):
    id: int
    content: str


def comment_on(report: Report, context: RunContext, token: Secret | None, schema_path: str, timeout: float) -> Report:
    """Bring the pull request's comment up to date; the report, with a notice when that could not be done.

    A run that is for no pull request has nobody to tell. A comment is never a reason to fail.
    """
    if context.pull_request is None or context.repository is None:
        return report
    try:
        _keep_up_to_date(report, context, token, schema_path, timeout)
    except DeployError as error:
        notice = f"The pull request got no comment. {error.message} {error.hint or ''}".rstrip()
        return replace(report, notices=(*report.notices, notice))
    return report


def _keep_up_to_date(
    report: Report, context: RunContext, token: Secret | None, schema_path: str, timeout: float
) -> None:
    if token is None:
        raise PlatformError(
            ErrorCode.API_FORBIDDEN,
            "The setting `comment` takes a GitHub token.",
            hint="Give `github-token: ${{ github.token }}`, and the job the permission `pull-requests: write`.",
        )
    url = context.github_api_url or API_URL
    issues = f"/repos/{context.repository}/issues"
    # Of several databases or schema folders, each has a comment of its own.
    owner = _fingerprint(f"{schema_path}\n{report.database}")
    # How long it took is different every time, and nobody's business in a comment.
    text = summary(
        replace(report, duration_ms=0, requests=0, deployment_id=None), LONGEST_COMMENT - len(_marker(owner, owner)) - 1
    )
    content = _fingerprint(text)
    body = {"body": f"{_marker(owner, content)}\n{text}"}
    api = JsonApi("GitHub's API", url, token.reveal(), timeout, _HEADERS)
    try:
        known = _find(api, f"{issues}/{context.pull_request}/comments", owner)
        if known is None:
            _done(api.call("POST", f"{issues}/{context.pull_request}/comments", body=body))
        elif known.content != content:
            _done(api.call("PATCH", f"{issues}/comments/{known.id}", body=body))
    finally:
        api.close()


def _find(api: JsonApi, path: str, owner: str) -> _Comment | None:
    """The comment that an earlier run has left."""
    for page in range(1, _MOST_PAGES + 1):
        reply = _done(api.call("GET", path, query={"per_page": str(_ON_A_PAGE), "page": str(page)}))
        comments = reply.document if isinstance(reply.document, list) else []
        for found in _marked(comments, owner):
            return found
        if len(comments) < _ON_A_PAGE:
            break
    return None


def _marked(comments: list[object], owner: str) -> Iterator[_Comment]:
    for comment in comments:
        if isinstance(comment, dict) and isinstance(comment.get("id"), int):
            match = _MARKER.match(str(comment.get("body")))
            if match and match[1] == owner:
                yield _Comment(comment["id"], match[2])


def _done(reply: Reply) -> Reply:
    if reply.ok:
        return reply
    may = reply.status not in (401, 403, 404)
    raise PlatformError(
        ErrorCode.UNEXPECTED_REPLY if may else ErrorCode.API_FORBIDDEN,
        f"GitHub answered {reply.status} {reply.reason}".rstrip(),
        hint="" if may else "Give the job the permission `pull-requests: write`; runs from a fork never have it.",
    )


def _marker(owner: str, content: str) -> str:
    return f"<!-- turso-deploy {owner} {content} -->"


def _fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
