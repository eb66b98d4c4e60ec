"""The origin of a deployment in the jobs of GitLab, CircleCI and Buildkite, and in a git checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from turso_deploy.history.entries import Provenance
from turso_deploy.history.git_checkout import Checkout, read_checkout
from turso_deploy.history.provenance import provenance_of

NOWHERE = Path("/nowhere")
SHA = "0123456789abcdef0123456789abcdef01234567"
GITLAB = {
    "GITLAB_CI": "true",
    "CI_COMMIT_SHA": SHA,
    "CI_COMMIT_REF_NAME": "main",
    "CI_JOB_URL": "https://gitlab.com/o/r/-/jobs/7",
    "GITLAB_USER_LOGIN": "ada",
}
CIRCLE = {
    "CIRCLECI": "true",
    "CIRCLE_SHA1": SHA,
    "CIRCLE_BRANCH": "main",
    "CIRCLE_BUILD_URL": "https://circleci.com/gh/o/r/7",
    "CIRCLE_USERNAME": "ada",
}
BUILDKITE = {
    "BUILDKITE": "true",
    "BUILDKITE_COMMIT": SHA,
    "BUILDKITE_BRANCH": "main",
    "BUILDKITE_BUILD_URL": "https://buildkite.com/o/r/builds/7",
    "BUILDKITE_BUILD_CREATOR": "ada",
}


@pytest.mark.parametrize("environment", [GITLAB, CIRCLE, BUILDKITE])
def test_job_names_commit_ref_run_and_actor(environment: dict[str, str]) -> None:
    url = next(value for value in environment.values() if value.startswith("https://"))
    assert provenance_of(environment, NOWHERE) == Provenance(SHA, "refs/heads/main", url, "ada")


@pytest.mark.parametrize(
    ("environment", "tag"), [(GITLAB, "CI_COMMIT_TAG"), (CIRCLE, "CIRCLE_TAG"), (BUILDKITE, "BUILDKITE_TAG")]
)
def test_tag_is_the_ref_of_a_job_for_a_tag(environment: dict[str, str], tag: str) -> None:
    assert provenance_of({**environment, tag: "v2.0.0"}, NOWHERE).ref == "refs/tags/v2.0.0"


def test_commit_that_is_no_hash_is_unknown() -> None:
    assert provenance_of({**BUILDKITE, "BUILDKITE_COMMIT": "HEAD"}, NOWHERE).commit_sha is None


def test_variables_without_the_one_of_the_system_are_not_used() -> None:
    names = {"CI_COMMIT_SHA": SHA, "CIRCLE_SHA1": SHA, "BUILDKITE_COMMIT": SHA}
    assert provenance_of(names, NOWHERE) == Provenance()


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder without the configuration of this machine."""
    environment = {"PATH": "/usr/bin:/bin", "GIT_CONFIG_NOSYSTEM": "1", "HOME": "/nowhere"}
    command = ["git", "-c", "init.defaultBranch=main", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit on the branch `release/1`."""
    folder = tmp_path / "repository"
    (folder / "database" / "schema").mkdir(parents=True)
    git(folder, "init", "--quiet")
    git(folder, "config", "user.name", "Ada Lovelace")
    git(folder, "config", "user.email", "ada@example.org")
    git(folder, "checkout", "--quiet", "-b", "release/1")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "first")
    return folder


def test_checkout_names_commit_branch_and_user(repository: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    found = provenance_of({}, repository / "database" / "schema")
    assert found == Provenance(head, "refs/heads/release/1", None, "Ada Lovelace")
    assert provenance_of({}, repository / "missing") == found


def test_packed_refs_are_read(repository: Path) -> None:
    git(repository, "pack-refs", "--all")
    assert not (repository / ".git" / "refs" / "heads" / "release").exists()
    assert read_checkout(repository, {}).commit_sha == git(repository, "rev-parse", "HEAD")


def test_detached_head_has_a_commit_and_no_ref(repository: Path) -> None:
    git(repository, "checkout", "--quiet", "--detach")
    assert read_checkout(repository, {})[:2] == (git(repository, "rev-parse", "HEAD"), None)


def test_worktree_has_its_own_head(repository: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "--quiet", "-b", "other", str(tmp_path / "other"))
    git(tmp_path / "other", "commit", "--quiet", "--allow-empty", "--message", "second")
    found = read_checkout(tmp_path / "other", {})
    assert found == Checkout(git(tmp_path / "other", "rev-parse", "HEAD"), "refs/heads/other", "Ada Lovelace")
    assert found.commit_sha != read_checkout(repository, {}).commit_sha


def test_repository_without_a_commit_has_no_origin(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    assert provenance_of({"GIT_COMMITTER_NAME": "Ada"}, tmp_path) == Provenance()


def test_user_is_that_of_the_environment_then_of_the_checkout_then_of_the_home_folder(
    repository: Path, tmp_path: Path
) -> None:
    (tmp_path / ".gitconfig").write_text(
        '[core]\n  name = wrong\n[user "x"]\n name = wrong\n[User]\n  Name = "Grace H"\n'
    )
    home = {"HOME": str(tmp_path)}
    assert read_checkout(repository, {**home, "GIT_COMMITTER_NAME": "Joan"}).user == "Joan"
    assert read_checkout(repository, home).user == "Ada Lovelace"
    git(repository, "config", "--unset", "user.name")
    assert read_checkout(repository, home).user == "Grace H"
    assert read_checkout(repository, {}).user is None


def test_job_without_a_commit_has_that_of_its_checkout(repository: Path) -> None:
    found = provenance_of({**BUILDKITE, "BUILDKITE_COMMIT": "HEAD"}, repository)
    assert (found.commit_sha, found.ref, found.actor) == (
        git(repository, "rev-parse", "HEAD"),
        "refs/heads/main",
        "ada",
    )


@pytest.mark.parametrize(
    "head",
    [
        "ref: refs/heads/../../../secret",
        "ref: ../secret",
        "ref: refs/heads/link/secret",
        "ref: /etc/passwd",
        "ref: refs/heads/a\x1b[31m",
        f"ref: refs/heads/{'a' * 300}",
        "not a hash",
        "",
    ],
)
def test_head_that_leads_elsewhere_or_has_another_form_is_not_known(
    repository: Path, tmp_path: Path, head: str
) -> None:
    (tmp_path / "secret").write_text(SHA)
    (repository / ".git" / "refs" / "heads" / "link").symlink_to(tmp_path)
    (repository / ".git" / "HEAD").write_text(head)
    assert read_checkout(repository, {})[:2] == (None, None)


@pytest.mark.parametrize("content", [b"gitdir: /nowhere", b"gitdir:", b"gitdir: \0", b"\xff\xfe", b"gitdir: a\nb"])
def test_git_file_that_leads_nowhere_is_not_known(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".git").write_bytes(content)
    assert read_checkout(tmp_path, {}) == Checkout()


def test_link_in_place_of_the_git_folder_is_not_followed(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / ".git").symlink_to(repository / ".git")
    assert read_checkout(tmp_path / "other", {}) == Checkout()


def test_name_that_is_not_printable_is_not_known(repository: Path) -> None:
    assert read_checkout(repository, {"GIT_COMMITTER_NAME": "Ada\x1b[31m"}).user == "Ada Lovelace"
