"""Comment on a pull request that shows the latest report; https://docs.github.com/en/rest/issues/comments."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

from pydantic import BaseModel

from turso_deploy.core.errors import DeployError, PlatformError
from turso_deploy.github.api import call, open_api
from turso_deploy.github.context import RunContext
from turso_deploy.github.event import RunSubject, commit_of_files, listed_numbers, subject_of
from turso_deploy.github.posts import Post, PostSettings, checked_author, post_body, post_marker, same_name
from turso_deploy.http.backoff import RetryBudget
from turso_deploy.http.json_api import JsonApi, segment
from turso_deploy.report.document import Report
from turso_deploy.report.lines import with_notice

_PERMISSION = "pull-requests: write"
_PAGE_SIZE = 100
_MAX_PAGES = 30


class _Comment(Post, frozen=True, strict=True):
    id: int


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


def comment_on(report: Report, context: RunContext, settings: PostSettings) -> Report:
    """Create or update the comment on the pull request of this run, and return the report with its address.

    The report gets a notice if there is no comment: that is not a failure of the run. A failure is an annotation, too.
    """
    subject = subject_of(context)
    try:
        if context.repository is None:
            subject = RunSubject(None, None, "the runner names no repository (`GITHUB_REPOSITORY`)")
        if subject.number is None and not subject.may_belong:
            return with_notice(report, f"No comment was written: {subject.reason}.")
        return _commented(report, context, subject, settings)
    except DeployError as error:
        notice = f"The comment on the pull request was not written. {error.message} {error.hint or ''}".rstrip()
        return with_notice(report, notice, "warning")


def _commented(report: Report, context: RunContext, subject: RunSubject, settings: PostSettings) -> Report:
    token = settings.usable_token("comment", _PERMISSION)
    repository = f"/repos/{context.repository}"
    with closing(open_api(token, settings.timeout, context.api_url)) as api:
        number = subject.number
        if number is None:
            found = _of_commit(api, settings.budget, context, str(subject.commit))
            if len(found) != 1:
                which = f"several pull requests ({listed_numbers(found)})" if found else "no pull request"
                return with_notice(
                    report, f"No comment was written: the commit {str(subject.commit)[:7]} belongs to {which}."
                )
            [number] = found
        commit = commit_of_files(context, subject.commit)
        body = post_body(post_marker("turso-deploy", settings), report, context, commit, settings)
        issues = f"{repository}/issues"
        earlier = _find(api, f"{issues}/{number}/comments", body.partition("\n")[0], settings)
        comment = _write(api, issues, number, body, earlier, settings)
        report = checked_author(replace(report, comment_url=comment.html_url), comment, "comment", settings)
        return _without_others(report, api, issues, earlier[1:], settings)


def _of_commit(api: JsonApi, budget: RetryBudget, context: RunContext, commit: str) -> list[int]:
    """Return the pull requests of a commit: those that it merged, or else those that it is the head of, or in.

    https://docs.github.com/en/rest/commits/commits#list-pull-requests-associated-with-a-commit
    """
    action = f"finding the pull request of the commit {commit[:7]}"
    reply = call(
        api,
        budget,
        action,
        "GET",
        f"/repos/{context.repository}/commits/{segment(commit)}/pulls",
        permission=_PERMISSION,
    )
    listed = api.read(reply.document, list[_PullRequest], action)
    own = [
        one for one in listed if one.base.repo is None or same_name(one.base.repo.full_name, context.repository or "")
    ]
    merged = [one for one in own if one.merge_commit_sha == commit]
    heads = [one for one in own if one.head.sha == commit]
    return [one.number for one in merged or heads or own]


def _write(
    api: JsonApi, issues: str, number: int, body: str, earlier: Sequence[_Comment], settings: PostSettings
) -> _Comment:
    """Write the comment, or update the first earlier one, and return it as GitHub has it."""
    if not earlier:
        action, method, path = "writing the comment", "POST", f"{issues}/{number}/comments"
    elif earlier[0].body == body:
        return earlier[0]
    else:
        action, method, path = "updating the comment", "PATCH", f"{issues}/comments/{earlier[0].id}"
    reply = call(api, settings.budget, action, method, path, body={"body": body}, permission=_PERMISSION)
    try:
        return api.read(reply.document, _Comment, action)
    except PlatformError:  # it is written all the same
        return _Comment(id=0)


def _without_others(
    report: Report, api: JsonApi, issues: str, others: Sequence[_Comment], settings: PostSettings
) -> Report:
    """Delete further comments about the same, which runs at the same time have written and no run would update."""
    for other in others:
        try:
            call(
                *(api, settings.budget, "deleting a second comment", "DELETE", f"{issues}/comments/{other.id}"),
                permission=_PERMISSION,
            )
        except DeployError as error:
            return with_notice(report, f"A second comment of an earlier run is left. {error.message}", "warning")
    return report


def _find(api: JsonApi, path: str, marker: str, settings: PostSettings) -> list[_Comment]:
    """Return the comments of earlier runs about the same: one, or several of runs at the same time."""
    found: list[_Comment] = []
    for page in range(1, _MAX_PAGES + 1):
        comments = _page(api, path, page, settings.budget)
        found += (comment for comment in comments if comment.is_ours(marker, settings.author))
        if len(comments) < _PAGE_SIZE:
            break
    return found


def _page(api: JsonApi, path: str, page: int, budget: RetryBudget) -> Sequence[_Comment]:
    action = "reading the comments"
    query = {"per_page": str(_PAGE_SIZE), "page": str(page)}
    reply = call(api, budget, action, "GET", path, query=query, permission=_PERMISSION)
    return api.read(reply.document, list[_Comment], action)
