"""Issue about a database that drifted: opened, updated, and closed when the drift is gone.

https://docs.github.com/en/rest/issues/issues
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

from turso_deploy.core.errors import DeployError, PlatformError
from turso_deploy.github.api import call, open_api
from turso_deploy.github.context import RunContext
from turso_deploy.github.posts import Post, PostSettings, checked_author, post_body, post_marker
from turso_deploy.http.json_api import JsonApi
from turso_deploy.report.document import Report
from turso_deploy.report.lines import with_notice

LABEL = "database-drift"
"""The label by which open issues are found; GitHub creates it with the first one."""

_PERMISSION = "issues: write"
_MAX_TITLE = 250  # characters; GitHub accepts 256
_PAGE_SIZE = 100
_MAX_PAGES = 10


class _Issue(Post, frozen=True, strict=True):
    number: int


def keep_issue(report: Report, context: RunContext, settings: PostSettings) -> Report:
    """Open, update or close the issue about the drift of a database, and return the report with its address.

    It is left as it is if the run does not know whether the database drifted. A failure is a notice and an annotation
    of the report, and none of the run.
    """
    if report.drifted is None:
        return report
    try:
        if context.repository is None:
            return with_notice(
                report, "No issue was written: the runner names no repository (`GITHUB_REPOSITORY`).", "warning"
            )
        token = settings.usable_token("issue", _PERMISSION)
        with closing(open_api(token, settings.timeout, context.api_url)) as api:
            return _kept(report, context, settings, api)
    except DeployError as error:
        notice = f"The issue about the drift was not written. {error.message} {error.hint or ''}".rstrip()
        return with_notice(report, notice, "warning")


def _kept(report: Report, context: RunContext, settings: PostSettings, api: JsonApi) -> Report:
    issues = f"/repos/{context.repository}/issues"
    marker = post_marker("turso-deploy-drift", settings)
    earlier = _find(api, issues, marker, settings)
    if earlier is None and not report.drifted:
        return report
    content: dict[str, object] = {
        "title": f"Database drift: {settings.database or report.database}"[:_MAX_TITLE],
        "body": post_body(marker, report, context, context.commit_sha, settings),
    }
    if earlier is None:
        action, method, path = "opening the issue", "POST", issues
        content["labels"] = [LABEL]
    else:
        action, method, path = "updating the issue", "PATCH", f"{issues}/{earlier.number}"
        if not report.drifted:
            action, content = "closing the issue", content | {"state": "closed", "state_reason": "completed"}
    reply = call(api, settings.budget, action, method, path, body=content, permission=_PERMISSION)
    try:
        written = api.read(reply.document, _Issue, action)
    except PlatformError:  # it is written all the same
        return report
    return checked_author(replace(report, issue_url=written.html_url), written, "issue", settings)


def _find(api: JsonApi, issues: str, marker: str, settings: PostSettings) -> _Issue | None:
    """Return the open issue about this database, if there is one."""
    action = "reading the issues"
    for page in range(1, _MAX_PAGES + 1):
        query = {"state": "open", "labels": LABEL, "per_page": str(_PAGE_SIZE), "page": str(page)}
        reply = call(api, settings.budget, action, "GET", issues, query=query, permission=_PERMISSION)
        found = api.read(reply.document, list[_Issue], action)
        for issue in found:
            if issue.is_ours(marker, settings.author):
                return issue
        if len(found) < _PAGE_SIZE:
            break
    return None
