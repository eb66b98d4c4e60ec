"""The pages of real runs in a real Chromium: sorted, searched, on a phone, dark, hostile names, 10,000 rows.

A page around the page, in which it is a frame, does what a user does, and writes what it finds as JSON.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.support.schema_folders import SMALL, write_folder
from turso_deploy.cli.run import run
from turso_deploy.fleet.tally import Facts, fleet_of
from turso_deploy.report.document import Report, Status
from turso_deploy.report.fleet_lines import DatabaseResult, State
from turso_deploy.report_page.page import MAX_ROWS, render_page

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium: apt-get install chromium")

HOSTILE = "<img src=x onerror='parent.hacked=1'>"
AROUND = """<!doctype html><meta charset="utf-8">
<iframe id="frame" src="{page}" style="width:{width}px;height:700px;border:0"></iframe><pre id="found"></pre>
<script>
addEventListener("load", () => {{
  const frame = document.getElementById("frame").contentWindow, page = frame.document;
  const texts = (row) => [...row.cells].map((cell) => cell.textContent);
  const rows = () => [...page.querySelectorAll("#rows tbody tr")].map(texts);
  const heading = (name) => [...page.querySelectorAll("#rows th")].find((th) => th.textContent === name);
  const click = (name) => heading(name).querySelector("button").click();
  const find = (text) => {{
    const search = page.getElementById("search");
    search.value = text;
    search.dispatchEvent(new Event("input"));
    return rows();
  }};
  const count = () => page.getElementById("count").value;
  const timed = (work) => {{
    const begun = performance.now();
    work();
    void page.body.offsetHeight; // the layout, too
    return performance.now() - begun;
  }};
  document.getElementById("found").textContent = JSON.stringify((() => {{ {script} }})());
}});
</script>
"""


def browse(page: Path, script: str, *, width: int = 1200, options: Sequence[str] = ()) -> Any:
    """Return what a script finds in the page."""
    around = page.with_name("around.html")
    around.write_text(AROUND.format(page=page.name, width=width, script=script), encoding="utf-8")
    profile = page.with_name("profile")
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"]
    command += [f"--user-data-dir={profile}", *options, "--hide-scrollbars", "--dump-dom", around.as_uri()]
    found = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120, check=True).stdout
    text = re.search(r'<pre id="found">(.+?)</pre>', found, re.DOTALL)
    assert text, found[-2000:]
    return json.loads(unescape(text[1]))


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """The page of a deployment to two files, of which one fails, joined with a result that has a hostile name."""
    schema = write_folder(tmp_path / "schema", SMALL)
    (tmp_path / "broken.db").write_text("no database " * 100)
    lines = (json.dumps({"name": name, "url": f"file:{tmp_path / name}.db"}) for name in ("acme", "broken"))
    (tmp_path / "tenants.jsonl").write_text("\n".join(lines))
    path, results = tmp_path / "report.html", tmp_path / "results.jsonl"
    flags = {"command": "deploy", "fleet": str(tmp_path / "tenants.jsonl"), "schema_path": str(schema)}
    flags |= {"canary": "0", "failure_budget": "3", "html": str(path), "results": str(results)}
    assert run(flags, {}, io.StringIO(), io.StringIO()) == 1
    assert "<td>acme</td>" in path.read_text(encoding="utf-8")
    acme = next(line for line in results.read_text().splitlines() if '"acme"' in line)
    with results.open("a") as file:
        file.write(json.dumps({**json.loads(acme), "name": HOSTILE, "state": "blocked"}) + "\n")
    flags = {"command": "join-results", "results": str(results), "html": str(path)}
    assert run(flags, {}, io.StringIO(), io.StringIO()) == 1
    return path


def test_page_of_a_fleet_is_sorted_and_searched(page: Path) -> None:
    found = browse(
        page,
        """
        const first = rows().map((row) => row[0]);
        click("database");
        const up = [rows().map((row) => row[0]), heading("database").ariaSort];
        click("database");
        const down = [rows().map((row) => row[0]), heading("database").ariaSort];
        const one = find("ACME deployed").map((row) => row[0]), counted = count();
        return {first, up, down, one, counted, none: find("nothing like this"), all: find("").length,
                focusable: [...page.querySelectorAll("#rows th button, #search")].every((one) => one.tabIndex === 0)};
        """,
    )
    assert found == {
        "first": ["broken", HOSTILE, "acme"],
        "up": [[HOSTILE, "acme", "broken"], "ascending"],
        "down": [["broken", "acme", HOSTILE], "descending"],
        "one": ["acme"],
        "counted": "1 of 3 found",
        "none": [],
        "all": 3,
        "focusable": True,
    }


def test_hostile_name_runs_nothing_and_the_page_loads_nothing(page: Path) -> None:
    script = """
        const injected = page.createElement("img");
        injected.src = "data:image/gif;base64,R0lGODlhAQABAAAAACw=";
        page.body.append(injected);
        const code = page.createElement("script");
        code.textContent = "parent.hacked = 2";
        page.body.append(code);
        return {hacked: window.hacked ?? null, images: page.querySelectorAll("main img").length,
                loaded: frame.performance.getEntriesByType("resource").map((one) => one.name)};
    """
    assert browse(page, script) == {"hacked": None, "images": 0, "loaded": []}


def test_page_is_as_wide_as_a_phone_and_each_value_has_its_heading(page: Path) -> None:
    script = """
        const cell = page.querySelector("#rows tbody td");
        return {wide: page.documentElement.scrollWidth, label: frame.getComputedStyle(cell, "::before").content,
                display: frame.getComputedStyle(cell).display};
    """
    assert browse(page, script, width=375) == {"wide": 375, "label": '"database"', "display": "flex"}
    assert browse(page, script)["display"] == "table-cell"


def test_page_is_dark_where_the_reader_prefers_it(page: Path) -> None:
    script = "return frame.getComputedStyle(page.body).backgroundColor"
    assert browse(page, script, options=["--blink-settings=preferredColorScheme=1"]) == "rgb(255, 255, 255)"
    assert browse(page, script, options=["--blink-settings=preferredColorScheme=0"]) == "rgb(15, 19, 24)"


def test_page_without_javascript_is_a_plain_table(page: Path) -> None:
    frame = page.read_text(encoding="utf-8").replace("script-src 'sha256", "script-src 'sha256-no")
    page.write_text(frame, encoding="utf-8")
    script = """
        const tools = page.querySelector(".tools");
        return {rows: rows().length, buttons: page.querySelectorAll("th button").length, tools: tools.offsetHeight};
    """
    assert browse(page, script) == {"rows": 3, "buttons": 0, "tools": 0}


def test_page_of_ten_thousand_databases_is_searched_and_sorted_quickly(tmp_path: Path) -> None:
    results = [
        DatabaseResult(f"tenant-{number}", State.DEPLOYED, "rest", schema_version="2.3.0", duration_ms=number * 7 % 911)
        for number in range(MAX_ROWS)
    ]
    facts = Facts({}, "1/1", ("1/1",), 0, None, {}, 0, None, lambda _: None)
    report = Report("deploy", Status.DEPLOYED, True, "fleet tenants.jsonl", fleet=fleet_of(results, facts))
    (tmp_path / "report.html").write_text(render_page(report, results, str, "now"), encoding="utf-8")
    found = browse(
        tmp_path / "report.html",
        """
        const opened = [rows().length, count()];
        const search = timed(() => find("tenant-9999")), one = rows().length;
        find("");
        const sort = timed(() => click("time (ms)"));
        page.getElementById("more").click();
        return {opened, one, more: rows().length, last: rows()[0].at(-1), search, sort};
        """,
    )
    assert (found["opened"], found["one"], found["more"]) == ([200, "10,000 of 10,000 found"], 1, 1200)
    assert found["last"] == "0"
    assert found["search"] < 500  # milliseconds; 15 on a machine that does nothing else
    assert found["sort"] < 3000


def test_pages_of_status_and_history_are_sorted_too(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = page.parent
    monkeypatch.chdir(folder)
    (folder / "turso-deploy.toml").write_text(
        "".join(f'[databases.{name}]\nurl = "file:{name}.db"\n' for name in ("acme", "other"))
    )
    for command, more in (("status", {"schema_path": "schema"}), ("history", {"target": "acme"})):
        path = folder / f"{command}.html"
        run({"command": command, "html": str(path), **more}, {}, output := io.StringIO(), io.StringIO())
        assert path.exists(), output.getvalue()
        script = "click(page.querySelector('#rows th').textContent); return [rows().length, rows()[0][0]]"
        assert browse(path, script) == ([2, "acme"] if command == "status" else [1, "1"])


@pytest.mark.parametrize("command", ["deploy", "plan", "verify"])
def test_page_of_a_single_database_is_an_error_before_the_first_request(tmp_path: Path, command: str) -> None:
    flags = {"command": command, "database_url": f"file:{tmp_path / 'one.db'}", "html": str(tmp_path / "report.html")}
    output = io.StringIO()
    assert run(flags, {}, output, io.StringIO()) == 2
    assert f"`html` needs a `fleet` with `{command}`." in output.getvalue()
    assert list(tmp_path.iterdir()) == []
