"""The page of a report: everything is escaped, nothing is loaded, and the size is bounded."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest

from turso_deploy.core.errors import InputError
from turso_deploy.fleet.results import shown_name
from turso_deploy.fleet.tally import Facts, error_of, fleet_of, verdict_of
from turso_deploy.plan.hazards import HazardName
from turso_deploy.report.document import DatabaseLine, DeploymentLine, ObjectChange, Report, Status
from turso_deploy.report.fleet_lines import DatabaseResult, FleetHazard, State
from turso_deploy.report_page.file import require_writable_page, write_page
from turso_deploy.report_page.page import MAX_ROW_BYTES, MAX_ROWS, render_page

MADE = "2026-12-01 01:13:00 UTC"
FACTS = Facts({}, "1/1", ("1/1",), 0, None, {}, 0, None, lambda _: None)
HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=https://example.com/x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "</td></tr></table><h1>forged</h1>",
    "</style></script><!--",
    "$style ${script} $$",
    "javascript:alert(1)",
    'https://example.com/"onclick="alert(1)',
    "a\u202eb\x00\x1b[31m",
    "lone \udcff surrogate",
)


class Elements(HTMLParser):
    """The elements of a page, and the rows of its main table."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.headings: list[str] = []
        self._is_main = False
        self._open = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag
        if tag == "table":
            self._is_main = dict(attrs).get("id") == "rows"
        if self._is_main and tag == "tr":
            self.rows.append([])
        if self._is_main and tag == "td":
            self.rows[-1].append("")
        if self._is_main and tag == "th":
            self.headings.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "table"):
            self._open = ""
        if tag == "table":
            self._is_main = False

    def handle_data(self, data: str) -> None:
        if self._is_main and self._open in ("td", "a"):
            self.rows[-1][-1] += data
        elif self._is_main and self._open == "th":
            self.headings[-1] += data


def fleet_report(results: list[DatabaseResult], **values: object) -> Report:
    fleet = fleet_of(results, FACTS)
    status, code = verdict_of(fleet)
    report = Report("deploy", status, True, "fleet tenants.jsonl", fleet=fleet, error=error_of(fleet, "Run it again."))
    return replace(report, exit_code=code, **values)  # type: ignore[arg-type]


def page_of(results: list[DatabaseResult]) -> str:
    return render_page(fleet_report(results), results, str, MADE)


def deployed(name: str, **values: object) -> DatabaseResult:
    return replace(DatabaseResult(name, State.DEPLOYED, "rest", committed=True), **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_in_any_value_makes_no_element_and_no_attribute(text: str) -> None:
    def one(text: str) -> str:
        hazard = FleetHazard(HazardName.DROP_TABLE, text, 3, False)
        result = DatabaseResult(text, State.BLOCKED, text, "timeout", text, text, text, False, text, text, text)
        return page_of([replace(result, changes=(text,), hazards=(hazard,))])

    def shape(page: str) -> list[tuple[str, list[str], str | None]]:
        return [(tag, sorted(attributes), attributes.get("class")) for tag, attributes in Elements(page).tags]

    assert shape(one(text)) == shape(one("plain"))


def test_hostile_text_of_a_history_makes_no_element_and_only_https_is_a_link() -> None:
    def one(url: str) -> list[tuple[str, dict[str, str | None]]]:
        line = DeploymentLine(1, url, "deploy", url, url, 5, url, url, url, url, url, url, url, {url: 1}, *[None] * 6)
        report = Report(
            "history", Status.LISTED, False, url, history=(line,), changes=(ObjectChange("added", "table", url),)
        )
        return Elements(render_page(report, (), str, MADE)).tags

    plain = [tag for tag, _ in one("plain")]
    assert all([tag for tag, _ in one(text)] == plain for text in HOSTILE)
    links = [attributes for tag, attributes in one("https://github.com/o/r/actions/runs/1") if tag == "a"]
    assert {link["href"] for link in links} == {"https://github.com/o/r/actions/runs/1"}


def test_page_loads_nothing_and_its_policy_allows_its_own_style_and_script_only() -> None:
    page = page_of([deployed("acme")])
    tags = Elements(page).tags
    assert {tag for tag, _ in tags} & {
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "base",
        "form",
        "audio",
        "video",
    } == set()
    assert [name for _, attributes in tags for name in attributes if name in ("src", "style") or name[:2] == "on"] == []
    assert "@import" not in page
    assert "url(" not in page
    policy = next(attributes["content"] for _, attributes in tags if "http-equiv" in attributes)
    hashes = {
        tag: b64encode(sha256(re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)[0].encode()).digest()).decode()
        for tag in ("style", "script")
    }
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{hashes['style']}'; script-src 'sha256-{hashes['script']}'; "
        "base-uri 'none'; form-action 'none'"
    )


def test_databases_that_need_an_action_come_first_and_empty_columns_are_left_out() -> None:
    failed = DatabaseResult(
        "zeta", State.FAILED, "rest", "timeout", "users", "no answer within 60 s", duration_ms=60000
    )
    found = Elements(page_of([deployed("acme", schema_version="2.3.0"), failed]))
    assert found.headings == ["database", "state", "version", "problem", "wave", "requests", "tries", "time (ms)"]
    assert [row for row in found.rows if row] == [
        ["zeta", "failed", "", "timeout: no answer within 60 s (users)", "rest", "0", "1", "60000"],
        ["acme", "deployed", "2.3.0", "", "rest", "0", "1", "0"],
    ]


def test_page_of_status_has_a_row_for_each_database_with_its_state_and_reason() -> None:
    lines = (
        DatabaseLine("one", "file:one.db", Status.VERIFIED, "1.0.0", 3, "2026-11-30T19:20:31Z", False, False),
        DatabaseLine("two", "file:two.db", Status.DRIFTED, "1.0.0", 2, "2026-11-30T19:20:30Z", True, True,
                     (ObjectChange("added", "table", "extra"),)),
    )  # fmt: skip
    found = Elements(render_page(Report("status", Status.DRIFTED, False, "", databases=lines), (), str, MADE))
    assert [row for row in found.rows if row] == [
        ["two", "1.0.0", "2, 2026-11-30 19:20:30", "drifted, pending", "table extra added"],
        ["one", "1.0.0", "3, 2026-11-30 19:20:31", "verified", ""],
    ]


def test_rows_beyond_the_limit_are_left_out_and_the_page_says_so() -> None:
    results = [deployed(f"tenant{number:05}") for number in range(MAX_ROWS + 5)]
    page = page_of([*results, DatabaseResult("broken", State.FAILED, "rest", "timeout")])
    rows = [row for row in Elements(page).rows if row]
    assert len(rows) == MAX_ROWS
    assert rows[0][0] == "broken"
    assert f"Only {MAX_ROWS:,} of {MAX_ROWS + 6:,} databases are in this page" in page
    assert "are in this page" not in page_of(results[:MAX_ROWS])


def test_page_with_long_texts_in_many_rows_is_bounded() -> None:
    results = [
        deployed("é" * 5000 + str(number), changes=("x" * 5000,), deployment="d" * 5000) for number in range(9000)
    ]
    page = page_of(results)
    assert len(page.encode()) < MAX_ROW_BYTES + 200_000
    assert "of 9,000 databases are in this page" in page


def test_secrets_are_redacted_in_every_value_before_they_are_escaped() -> None:
    secret = "to<k>en&"
    result = DatabaseResult(
        secret, State.FAILED, secret, "timeout", secret, f"the token {secret}", secret, deployment=secret
    )
    page = render_page(fleet_report([result]), [result], lambda text: text.replace(secret, "***"), MADE)
    assert "to&lt;k&gt;en&amp;" not in page
    assert secret not in page
    assert "the token ***" in page


def test_hashed_names_stay_hashed() -> None:
    page = page_of([deployed(shown_name("acme", hashed=True))])
    assert shown_name("acme", hashed=True) in page
    assert "acme" not in page


def test_written_page_is_replaced_and_any_other_file_is_not(tmp_path: Path) -> None:
    path, report = tmp_path / "report.html", fleet_report([deployed("acme")])
    assert write_page(path, report, [deployed("acme")], str) == report
    first = path.read_text(encoding="utf-8")
    assert "<td>acme</td>" in first
    require_writable_page(path)
    other = tmp_path / "manifest.yml"
    other.write_text("schema_version: 1.0.0\n")
    (tmp_path / "link.html").symlink_to(path)
    for place in (other, tmp_path / "link.html", tmp_path, tmp_path / "missing" / "report.html"):
        with pytest.raises(InputError, match="The page of `html` cannot be written"):
            require_writable_page(place)


def test_page_that_cannot_be_written_at_the_end_is_a_warning(tmp_path: Path) -> None:
    report = fleet_report([deployed("acme")])
    (tmp_path / "report.html").symlink_to(tmp_path / "elsewhere")
    found = write_page(tmp_path / "report.html", report, [], str)
    assert found.notices == ("The page of `html` could not be written: it is a link.",)
    assert found.exit_code == report.exit_code
    assert not (tmp_path / "elsewhere").exists()
