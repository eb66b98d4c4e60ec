"""The runner's protocol, read back as the runner reads it."""

import io
import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from turso_deploy.core.errors import Place
from turso_deploy.core.text import inert
from turso_deploy.github import runner as runner_module
from turso_deploy.github.annotations import Level
from turso_deploy.github.context import RunContext, read_context
from turso_deploy.github.outputs import OUTPUTS
from turso_deploy.github.runner import MAX_SUMMARY_SIZE, Runner, stream_for_masks
from turso_deploy.report.document import Report
from turso_deploy.report.job_summary import summary

HOSTILE = [
    "::error::x",
    "  ::add-mask::x",
    "a\n::error::x",
    "a\r::error::x",
    "##[error]x",
    "a ##[group]x",
    "%0A::error::x",
]


def on_runner(**environment: str) -> tuple[Runner, io.StringIO]:
    log = io.StringIO()
    return Runner(log, read_context({"GITHUB_ACTIONS": "true", **environment}), log), log


def read_outputs(text: str) -> dict[str, str]:
    """The values of an output file, read by the runner's rules: lines end at LF, and a value at its delimiter."""
    found: dict[str, str] = {}
    lines = iter(text.split("\n"))
    for line in lines:
        if line:
            name, delimiter = line.split("<<", 1)
            value = []
            while (line := next(lines)) != delimiter:
                value.append(line)
            found[name] = "\n".join(value)
    return found


def commands_in(text: str) -> list[str]:
    """The lines that the runner takes for commands: `::` behind leading white space, or `##[` anywhere."""
    lines = re.split(r"[\r\n]", text)
    return [line for line in lines if line.lstrip().startswith("::") or "##[" in line]


def test_each_line_of_a_secret_becomes_a_mask() -> None:
    runner, log = on_runner()
    runner.mask("first line\r\n  50%off\n")
    assert log.getvalue() == "::add-mask::first line\n::add-mask::50%25off\n"


def test_a_line_too_short_to_be_a_secret_is_not_masked() -> None:
    runner, log = on_runner()
    runner.mask("}\nabc\n\nabcd")
    assert log.getvalue() == "::add-mask::abcd\n"


RUN_STEP = read_context({"GITHUB_ACTIONS": "true"})
ACTION = read_context({"GITHUB_ACTIONS": "true", "INPUT_COMMAND": "plan"})


def test_masks_go_to_a_stream_that_only_the_runner_reads(tmp_path: Path) -> None:
    (reading, writing), (other_reading, other_writing) = os.pipe(), os.pipe()
    with (
        (tmp_path / "kept.txt").open("w") as file,
        os.fdopen(reading),
        os.fdopen(other_reading),
        os.fdopen(os.dup(writing), "w") as same,
        os.fdopen(writing, "w") as pipe,
        os.fdopen(other_writing, "w") as other,
    ):
        assert stream_for_masks(pipe, pipe, other, ACTION) is pipe
        assert stream_for_masks(pipe, pipe, same, ACTION) is pipe
        assert stream_for_masks(file, file, pipe, ACTION) is None
        assert stream_for_masks(pipe, pipe, other, RUN_STEP) is other
        assert stream_for_masks(file, file, pipe, RUN_STEP) is pipe
        assert stream_for_masks(pipe, pipe, file, RUN_STEP) is None
        assert stream_for_masks(pipe, pipe, same, RUN_STEP) is None  # `2>&1 | tee plan.txt`
        assert stream_for_masks(pipe, pipe, other, read_context({"INPUT_COMMAND": "plan"})) is None


def test_secret_without_a_stream_for_masks_is_hidden_all_the_same() -> None:
    log = io.StringIO()
    runner = Runner(log, RUN_STEP)
    runner.mask("secret-token")
    assert not log.getvalue()
    assert runner.redacted("a secret-token here") == "a *** here"


def test_off_a_runner_a_mask_does_not_print_the_secret(tmp_path: Path) -> None:
    log = io.StringIO()
    files = {"GITHUB_OUTPUT": str(tmp_path / "out"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    runner = Runner(log, read_context(files))
    runner.mask("secret-token")
    runner.annotate(Level.ERROR, "x")
    runner.set_output("status", "deployed")
    runner.append_summary(lambda budget: "x")
    with runner.group("title"):
        runner.print_untrusted("::kept:: as it is")
    assert log.getvalue() == "::kept:: as it is\n"
    assert list(tmp_path.iterdir()) == []


def test_a_group_closes_when_its_body_fails() -> None:
    runner, log = on_runner()
    with pytest.raises(KeyError), runner.group("Plan\n::error::x"):
        raise KeyError
    assert log.getvalue() == "::group::Plan\\n::error::x\n::endgroup::\n"


def test_an_annotation_of_many_lines_stays_one_command() -> None:
    runner, log = on_runner()
    runner.annotate(Level.ERROR, "100%\nsecond", title="a: b, c", place=Place("schema/a,b.sql", 3, 9))
    assert log.getvalue() == "::error title=a%3A b%2C c,file=schema/a%2Cb.sql,line=3,col=9::100%25%0Asecond\n"


def test_an_annotation_without_a_place_names_no_file() -> None:
    runner, log = on_runner()
    runner.annotate(Level.NOTICE, "hello")
    runner.annotate(Level.WARNING, "whole file", place=Place("schema/manifest.yml"))
    assert log.getvalue() == "::notice::hello\n::warning file=schema/manifest.yml::whole file\n"


@given(st.text())
@example("%0A::error::")
def test_the_runner_reads_escaped_data_back_as_it_was(text: str) -> None:
    escaped = runner_module.escape_property(text)
    assert not set(escaped) & set("\r\n:,")
    for written, meant in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        escaped = escaped.replace(written, meant)
    assert escaped == text


@given(st.one_of(st.text(), st.text(alphabet=":#[ \r\n\t\x0b\x85a"), st.sampled_from(HOSTILE)))
def test_untrusted_text_is_never_a_command(text: str) -> None:
    assert commands_in(inert(text)) == []


@given(st.sampled_from(HOSTILE))
def test_inert_text_differs_by_spaces_only(text: str) -> None:
    assert inert(text).replace(" ", "") == text.replace(" ", "")


def test_commands_are_stopped_around_untrusted_text_under_a_fresh_token() -> None:
    runner, log = on_runner()
    runner.print_untrusted("one\n::error::two")
    runner.print_untrusted("three")
    lines = log.getvalue().splitlines()
    assert lines[1:3] == ["one", ": :error::two"]
    first, second = (line.removeprefix("::stop-commands::") for line in lines if line.startswith("::stop-commands::"))
    assert lines[3] == f"::{first}::"
    assert lines[6] == f"::{second}::"
    assert first != second


def test_commands_work_again_when_untrusted_text_could_not_be_written() -> None:
    log = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="\n")
    with pytest.raises(UnicodeEncodeError):
        Runner(log, RunContext(on_runner=True)).print_untrusted("é")
    log.seek(0)
    stop, resume = log.read().splitlines()
    assert resume == f"::{stop.removeprefix('::stop-commands::')}::"


@given(st.dictionaries(st.sampled_from(list(OUTPUTS)), st.text(st.characters(codec="utf-8"))))
@example({"status": "a\nghadelimiter_\nb<<c\n", "views": "", "tables": "\n", "triggers": "a\r"})
def test_outputs_are_read_back_exactly(values: dict[str, str]) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "output"
        file.touch()
        runner, _ = on_runner(GITHUB_OUTPUT=str(file))
        for name, value in values.items():
            runner.set_output(name, value)
        assert read_outputs(file.read_bytes().decode()) == values


def test_outputs_are_appended_as_utf_8_with_plain_line_feeds(tmp_path: Path) -> None:
    file = tmp_path / "output"
    file.write_text("before=1\n")
    runner, _ = on_runner(GITHUB_OUTPUT=str(file))
    runner.set_output("status", "a\r\nb")
    runner.set_output("tables", "é")
    content = file.read_bytes().decode()
    assert content.startswith("before=1\nstatus<<ghadelimiter_")
    assert read_outputs(content.removeprefix("before=1\n")) == {"status": "a\r\nb", "tables": "é"}


def test_a_value_that_holds_its_delimiter_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(runner_module, "uuid4", lambda: "known")
    runner, _ = on_runner(GITHUB_OUTPUT=str(tmp_path / "output"))
    with pytest.raises(ValueError, match="delimiter"):
        runner.set_output("status", "a\nghadelimiter_known\nevil=1")
    assert not (tmp_path / "output").exists()


def test_a_summary_leaves_room_for_what_is_there_already(tmp_path: Path, deployed: Report) -> None:
    file = tmp_path / "summary"
    file.write_bytes(b"x" * (MAX_SUMMARY_SIZE - 3000))
    runner, _ = on_runner(GITHUB_STEP_SUMMARY=str(file))
    runner.append_summary(lambda budget: summary(deployed, budget))
    assert MAX_SUMMARY_SIZE - 3000 < file.stat().st_size <= MAX_SUMMARY_SIZE
    assert "Deployed 2.2.0" in file.read_text(encoding="utf-8")


def test_a_summary_that_would_not_be_shown_is_refused(tmp_path: Path) -> None:
    runner, _ = on_runner(GITHUB_STEP_SUMMARY=str(tmp_path / "summary"))
    with pytest.raises(ValueError, match="job summary"):
        runner.append_summary(lambda budget: "é" * (budget // 2 + 1))
