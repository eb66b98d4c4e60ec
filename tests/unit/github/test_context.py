"""The context of a run: what the runner tells of it."""

from turso_deploy.github.context import read_context


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
