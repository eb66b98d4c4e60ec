"""Comment on a pull request that shows the latest report; https://docs.github.com/en/rest/issues/comments."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import Literal, NamedTuple

from pydantic import BaseModel

from turso_deploy.core.errors import DeployError, ErrorCode, PlatformError
from turso_deploy.core.secret import Secret
from turso_deploy.core.text import encodable
from turso_deploy.github.api import call, open_api
from turso_deploy.github.context import RunContext
from turso_deploy.github.event import RunSubject, listed_numbers, subject_of
from turso_deploy.http.backoff import RetryBudget
from turso_deploy.http.json_api import JsonApi, segment
from turso_deploy.report.document import AnnotatedLine, Report
from turso_deploy.report.job_summary import summary
from turso_deploy.report.markdown import summary_code

MAX_COMMENT_SIZE = 64 * 1024
"""Maximum size of a comment in bytes; GitHub counts 65,536 characters."""
DEFAULT_AUTHOR = "github-actions[bot]"
"""The author of comments that are written with the workflow's own token."""

_MARKER = re.compile(r"<!-- turso-deploy ([0-9a-f]{16}) -->")
_LINK = re.compile(r"https?://[^\s()<>\"]+")
_PAGE_SIZE = 100
_MAX_PAGES = 30


class CommentSettings(NamedTuple):
    """What a comment is about and how it is written, as it was set.

    `schema_path` and `database` are as the settings name them, not as the run found them, so that a run that fails
    early replaces the comment of the run before. `author` is the user whose comments are this program's. `budget` pays
    for waiting, `timeout` is that of one request in seconds.
    """

    schema_path: str
    database: str
    token: Secret | None
    author: str
    timeout: float
    budget: RetryBudget


class _User(BaseModel, frozen=True, strict=True):
    login: str


class _Comment(BaseModel, frozen=True, strict=True):
    id: int
    body: str | None = None
    user: _User | None = None
    html_url: str | None = None

    def is_by(self, author: str) -> bool:
        """Return True for a comment of this user, and for one of an API that names no users."""
        return _same(self.user.login, author) if self.user else "user" not in self.model_fields_set


class _Repository(BaseModel, frozen=True, strict=True):
    full_name: str


class _Base(BaseModel, frozen=True, strict=True):
    repo: _Repository | None = None


class _Head(BaseModel, frozen=True, strict=True):
    sha: str


class _PullRequest(BaseModel, frozen=True, strict=True):
    number: int
    merge_commit_sha: str | None = None
    head: _Head
    base: _Base


def comment_on(report: Report, context: RunContext, settings: CommentSettings) -> Report:
    """Create or update the comment on the pull request of this run, and return the report with its address.

    The report gets a notice if there is no comment: that is not a failure of the run. A failure is an annotation, too.
    """
    subject = subject_of(context)
    try:
        if context.repository is None:
            subject = RunSubject(None, None, "the runner names no repository (`GITHUB_REPOSITORY`)")
        if subject.number is None and not subject.may_belong:
            return _without_comment(report, f"No comment was written: {subject.reason}.")
        return _commented(report, context, subject, settings)
    except DeployError as error:
        notice = f"The comment on the pull request was not written. {error.message} {error.hint or ''}".rstrip()
        return _without_comment(report, notice, "warning")


def _without_comment(report: Report, notice: str, level: Literal["warning"] | None = None) -> Report:
    annotated = (AnnotatedLine(level, notice),) if level else ()
    return replace(report, notices=(*report.notices, notice), annotated=(*report.annotated, *annotated))


def _commented(report: Report, context: RunContext, subject: RunSubject, settings: CommentSettings) -> Report:
    if settings.token is None:
        raise PlatformError(
            ErrorCode.API_FORBIDDEN,
            "The setting `comment` needs a GitHub token.",
            hint="Set `github-token: ${{ github.token }}`, and give the job the permission `pull-requests: write`.",
        )
    repository = f"/repos/{context.repository}"
    with closing(open_api(settings.token.reveal(), settings.timeout, context.api_url)) as api:
        number = subject.number
        if number is None:
            found = _of_commit(api, settings.budget, context, str(subject.commit))
            if len(found) != 1:
                which = f"several pull requests ({listed_numbers(found)})" if found else "no pull request"
                return _without_comment(
                    report, f"No comment was written: the commit {str(subject.commit)[:7]} belongs to {which}."
                )
            [number] = found
        comment = _write(api, f"{repository}/issues", number, _body(report, context, subject, settings), settings)
    report = replace(report, comment_url=comment.html_url)
    author = comment.user.login if comment.user else settings.author
    if author.lower() != settings.author.lower():
        notice = (
            f"The comment was written as {author}, and comments of {settings.author} are updated only, so the next run "
            f"will write another one. Set `comment-author: {author}`."
        )
        return _without_comment(report, notice, "warning")
    return report


def _of_commit(api: JsonApi, budget: RetryBudget, context: RunContext, commit: str) -> list[int]:
    """Return the pull requests of a commit: those that it merged, or else those that it is the head of, or in.

    https://docs.github.com/en/rest/commits/commits#list-pull-requests-associated-with-a-commit
    """
    action = f"finding the pull request of the commit {commit[:7]}"
    reply = call(api, budget, action, "GET", f"/repos/{context.repository}/commits/{segment(commit)}/pulls")
    listed = api.read(reply.document, list[_PullRequest], action)
    own = [one for one in listed if one.base.repo is None or _same(one.base.repo.full_name, context.repository or "")]
    merged = [one for one in own if one.merge_commit_sha == commit]
    heads = [one for one in own if one.head.sha == commit]
    return [one.number for one in merged or heads or own]


def _same(one: str, other: str) -> bool:
    return one.lower() == other.lower()


def _body(report: Report, context: RunContext, subject: RunSubject, settings: CommentSettings) -> str:
    """Return the text of the comment: the marker, the job summary, and where the report comes from."""
    # Each schema folder and each database has a comment of its own.
    owner = _fingerprint(f"{settings.schema_path}\n{settings.database}")
    marker = f"<!-- turso-deploy {owner} -->"
    origin = _origin(context, subject, settings)
    budget = MAX_COMMENT_SIZE - len(f"{marker}\n\n{origin}\n".encode(errors="backslashreplace"))
    return encodable(f"{marker}\n{summary(report, budget)}\n{origin}\n")


def _origin(context: RunContext, subject: RunSubject, settings: CommentSettings) -> str:
    """Return the line with the commit, the run, the database and the schema folder."""
    commit = ""
    if subject.commit:
        commit = _linked(
            summary_code(subject.commit[:7]), f"{context.server_url}/{context.repository}/commit/{subject.commit}"
        )
    facts = [
        f"commit {commit}" if commit else "",
        _linked("workflow run", context.run_url) if context.run_url else "",
        f"database {summary_code(settings.database)}" if settings.database else "no database",
        f"schema {summary_code(settings.schema_path)}",
    ]
    return " · ".join(fact for fact in facts if fact)


def _linked(text: str, url: str) -> str:
    return f"[{text}]({url})" if _LINK.fullmatch(url) else text


def _write(api: JsonApi, issues: str, number: int, body: str, settings: CommentSettings) -> _Comment:
    """Write the comment, and return it as GitHub has it."""
    earlier = _find(api, f"{issues}/{number}/comments", body.partition("\n")[0], settings)
    if earlier is None:
        action, method, path = "writing the comment", "POST", f"{issues}/{number}/comments"
    elif earlier.body == body:
        return earlier
    else:
        action, method, path = "updating the comment", "PATCH", f"{issues}/comments/{earlier.id}"
    reply = call(api, settings.budget, action, method, path, body={"body": body})
    try:
        return api.read(reply.document, _Comment, action)
    except PlatformError:  # it is written all the same
        return _Comment(id=0)


def _find(api: JsonApi, path: str, marker: str, settings: CommentSettings) -> _Comment | None:
    """Return the comment of an earlier run, if there is one. Whoever else copies its marker is not the author."""
    for page in range(1, _MAX_PAGES + 1):
        comments = _page(api, path, page, settings.budget)
        for comment in comments:
            match = _MARKER.match(comment.body or "")
            if match and match[0] == marker and comment.is_by(settings.author):
                return comment
        if len(comments) < _PAGE_SIZE:
            break
    return None


def _page(api: JsonApi, path: str, page: int, budget: RetryBudget) -> Sequence[_Comment]:
    action = "reading the comments"
    query = {"per_page": str(_PAGE_SIZE), "page": str(page)}
    reply = call(api, budget, action, "GET", path, query=query)
    return api.read(reply.document, list[_Comment], action)


def _fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:16]
