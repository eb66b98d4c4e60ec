"""Posts on GitHub that show a report, comments and issues: what they are about, their author and their text."""

from __future__ import annotations

import hashlib
import posixpath
import re
from typing import NamedTuple

from pydantic import BaseModel

from turso_deploy.core.errors import ErrorCode, PlatformError
from turso_deploy.core.secret import Secret
from turso_deploy.core.text import encodable
from turso_deploy.github.context import RunContext
from turso_deploy.http.backoff import RetryBudget
from turso_deploy.report.document import Report
from turso_deploy.report.job_summary import summary
from turso_deploy.report.lines import with_notice
from turso_deploy.report.markdown import summary_code

MAX_POST_SIZE = 64 * 1024
"""Maximum size of a post in bytes; GitHub counts 65,536 characters."""
DEFAULT_AUTHOR = "github-actions[bot]"
"""The author of posts that are written with the workflow's own token."""

_LINK = re.compile(r"https?://[^\s()<>\"]+")


class PostSettings(NamedTuple):
    """Settings of a post: what it is about, and how it is written.

    `schema_path` and `database` are as the settings name them, not as the run found them, so that a run that fails
    early replaces the post of the run before. `author` is the user whose posts are this program's. `budget` pays for
    waiting, `timeout` is that of one request in seconds.
    """

    schema_path: str
    database: str
    token: Secret | None
    author: str
    timeout: float
    budget: RetryBudget

    def usable_token(self, setting: str, permission: str) -> str:
        """Return the token. Raises PlatformError if none was given for the setting that needs it."""
        if self.token is None:
            raise PlatformError(
                ErrorCode.API_FORBIDDEN,
                f"The setting `{setting}` needs a GitHub token.",
                hint=f"Set `github-token: ${{{{ github.token }}}}`, and give the job the permission `{permission}`.",
            )
        return self.token.reveal()


class _User(BaseModel, frozen=True, strict=True):
    login: str


class Post(BaseModel, frozen=True, strict=True):
    """A comment or an issue, as the API describes it."""

    body: str | None = None
    user: _User | None = None
    html_url: str | None = None

    def is_ours(self, marker: str, author: str) -> bool:
        """Return True for a post of this user with this marker, which other users can copy.

        A post of an API that names no users counts as one of this user.
        """
        by_author = same_name(self.user.login, author) if self.user else "user" not in self.model_fields_set
        return by_author and (self.body or "").partition("\n")[0] == marker


def same_name(one: str, other: str) -> bool:
    """Return True if two names of users or repositories mean the same to GitHub."""
    return one.lower() == other.lower()


def checked_author(report: Report, post: Post, kind: str, settings: PostSettings) -> Report:
    """Return the report, with a warning if a post has another author than those that the next run looks for."""
    if post.user is None or same_name(post.user.login, settings.author):
        return report
    notice = (
        f"The {kind} was written as {post.user.login}, and {kind}s of {settings.author} are updated only, so the next "
        f"run will write another one. Set `comment-author: {post.user.login}`."
    )
    return with_notice(report, notice, "warning")


def post_marker(kind: str, settings: PostSettings) -> str:
    """Return the first line of a post: each kind, schema folder and database has a post of its own.

    Two spellings of a folder are the same one: a workflow may say `./schema`, and another one nothing.
    """
    folder = posixpath.normpath(settings.schema_path)
    owner = hashlib.sha256(f"{folder}\n{settings.database}".encode(errors="backslashreplace"))
    return f"<!-- {kind} {owner.hexdigest()[:16]} -->"


def post_body(marker: str, report: Report, context: RunContext, commit: str | None, settings: PostSettings) -> str:
    """Return the text of a post: the marker, the job summary, and where the report comes from."""
    origin = _origin(context, commit, settings)
    budget = MAX_POST_SIZE - len(f"{marker}\n\n{origin}\n".encode(errors="backslashreplace"))
    return encodable(f"{marker}\n{summary(report, budget)}\n{origin}\n")


def _origin(context: RunContext, commit: str | None, settings: PostSettings) -> str:
    """Return the line with the commit, the run, the database and the schema folder."""
    linked = ""
    if commit:
        linked = _linked(summary_code(commit[:7]), f"{context.server_url}/{context.repository}/commit/{commit}")
    facts = [
        f"commit {linked}" if linked else "",
        _linked("workflow run", context.run_url) if context.run_url else "",
        f"database {summary_code(settings.database)}" if settings.database else "no database",
        f"schema {summary_code(settings.schema_path)}",
    ]
    return " · ".join(fact for fact in facts if fact)


def _linked(text: str, url: str) -> str:
    return f"[{text}]({url})" if _LINK.fullmatch(url) else text
