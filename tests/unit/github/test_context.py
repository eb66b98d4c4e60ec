"""The context of a run: what the runner tells of it."""

from pathlib import Path

from turso_deploy.github.context import API_URL, read_context


def test_a_pipeline_is_known_by_what_the_runner_tells() -> None:
    context = read_context(
        {
            "GITHUB_ACTIONS": "true",
            "GITHUB_SHA": "abc",
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_REPOSITORY": "o/r",
            "GITHUB_RUN_ID": "7",
            "GITHUB_ACTOR": "ada",
        }
    )
    assert context.on_runner
    assert (context.commit_sha, context.ref, context.actor) == ("abc", "refs/heads/main", "ada")
    assert context.run_url == "https://github.com/o/r/actions/runs/7"
    assert context.tag_version is None


def test_outside_of_a_runner_there_is_no_pipeline() -> None:
    context = read_context({"GITHUB_ACTIONS": "1", "GITHUB_SERVER_URL": "https://github.com"})
    assert not context.on_runner
    assert (context.commit_sha, context.ref, context.actor, context.run_url) == (None, None, None, None)


def test_files_of_a_runner_are_used_on_a_runner_only() -> None:
    files = {"GITHUB_OUTPUT": "/o", "GITHUB_STEP_SUMMARY": "/s"}
    outside, inside = read_context(files), read_context({**files, "GITHUB_ACTIONS": "true"})
    assert (outside.output_file, outside.summary_file) == (None, None)
    assert (inside.output_file, inside.summary_file) == (Path("/o"), Path("/s"))


def test_the_api_is_the_public_one_unless_the_runner_names_another() -> None:
    assert read_context({}).api_url == API_URL
    assert read_context({"GITHUB_API_URL": "https://github.acme.test/api/v3"}).api_url.endswith("/api/v3")
