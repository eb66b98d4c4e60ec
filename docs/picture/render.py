"""Render the job summary of a real deployment as GitHub shows it, light and dark: `make picture`.

Needs node with npm, and chromium: the one on the path, or else Debian's, which is installed. With `--open` every folded
section is open and the picture has its full height; it is written to the given folder.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MODULES = HERE / "node_modules"
WIDTH, HEIGHT, WHOLE = 960, 870, 2600

PAGE = """<!doctype html>
<meta charset="utf-8">
<style>{css}</style>
<style>body {{ margin: 0; }} .markdown-body {{ padding: 24px; min-height: 100vh; box-sizing: border-box; }}</style>
<script>{marked}</script>
<script>{mermaid}</script>
<article class="markdown-body" id="summary"></article>
<script>
  const article = document.getElementById("summary");
  article.innerHTML = marked.parse({markdown});
  if ({whole}) article.querySelectorAll("details").forEach((each) => (each.open = true));
  const colours = {{ "+": "pl-mi1", "-": "pl-md", "!": "pl-mc" }};  // as GitHub's own highlighting of differences
  article.querySelectorAll("code.language-diff").forEach((code) => {{
    const coloured = (line) => (colours[line[0]] ? `<span class="${{colours[line[0]]}}">${{line}}</span>` : line);
    code.innerHTML = code.innerHTML.split("\\n").map(coloured).join("\\n");
  }});
  article.querySelectorAll("code.language-mermaid").forEach((code) => {{
    const picture = document.createElement("pre");
    picture.className = "mermaid";
    picture.textContent = code.textContent;
    code.parentElement.replaceWith(picture);
  }});
  mermaid.initialize({{ startOnLoad: false, theme: {theme} }});
  mermaid.run({{ querySelector: "details[open] .mermaid" }});
</script>
"""


CHANGES = {
    "authentication.sql": (
        ("    password  TEXT NOT NULL   ", "    email     TEXT,\n    password  TEXT NOT NULL   "),
        (
            "CREATE UNIQUE INDEX users_username_unique",
            "CREATE UNIQUE INDEX users_email_unique ON users (email);\nCREATE UNIQUE INDEX users_username_unique",
        ),
    ),
    "bot-infrastructure.sql": (
        ("CREATE INDEX idx_work_queue_priority ON work_queue (priority);  -- most urgent first\n", ""),
        ("    priority      INTEGER DEFAULT 5, ", "    priority      INTEGER NOT NULL DEFAULT 5, "),
    ),
    "relationships.sql": (
        ("CREATE TABLE question_relationships", "CREATE TABLE tags (name TEXT PRIMARY KEY NOT NULL);\n\n"
         "CREATE TABLE question_relationships"),
    ),
    "manifest.yml": (("schema_version: 2.2.0", "schema_version: 2.3.0"), ("  tables: 12", "  tables: 13")),
}  # fmt: skip
"""Changes of the second deployment, so that the picture shows a difference: existing text and its replacement."""


def summary_of_a_deployment() -> str:
    """Deploy this repository's schema to a new file, change it, deploy as a runner does, and return the summary."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "summary.md"
        environment = {**os.environ, "GITHUB_ACTIONS": "true"}
        schema = shutil.copytree(ROOT / "schema", Path(folder) / "schema")
        command = [sys.executable, "-m", "turso_deploy", "deploy", "--database-url", "file:quiz.db"]
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
        for name, changes in CHANGES.items():
            text = (schema / name).read_text(encoding="utf-8")
            for old, new in changes:
                assert text.count(old) == 1, f"{name}: {old}"
                text = text.replace(old, new)
            (schema / name).write_text(text, encoding="utf-8")
        environment["GITHUB_STEP_SUMMARY"] = str(path)
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
        return path.read_text(encoding="utf-8")


def draw(markdown: str, theme: str, picture: Path, *, whole: bool) -> None:
    """Draw Markdown in one of GitHub's themes."""
    page = PAGE.format(
        css=(MODULES / f"github-markdown-css/github-markdown-{theme}.css").read_text(encoding="utf-8"),
        marked=(MODULES / "marked/lib/marked.umd.js").read_text(encoding="utf-8"),
        mermaid=(MODULES / "mermaid/dist/mermaid.min.js").read_text(encoding="utf-8"),
        markdown=json.dumps(markdown).replace("</", "<\\/"),
        whole=json.dumps(whole),
        theme=json.dumps("dark" if theme == "dark" else "default"),
    )
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "page.html"
        source.write_text(page, encoding="utf-8")
        subprocess.run(
            [
                chromium(),
                "--headless",
                "--no-sandbox",
                "--hide-scrollbars",
                "--disable-gpu",
                "--virtual-time-budget=20000",
                f"--user-data-dir={folder}/profile",
                f"--window-size={WIDTH},{WHOLE if whole else HEIGHT}",
                f"--screenshot={picture}",
                source.as_uri(),
            ],
            check=True,
            capture_output=True,
        )


def chromium() -> str:
    """Return the browser. Install it from Debian's packages if there is none."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        subprocess.run(["apt-get", "install", "--yes", "--no-install-recommends", "chromium"], check=True)
    return found or "chromium"


def main() -> None:
    """Draw both pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--open", metavar="FOLDER", type=Path, help="draw the full height, into this folder")
    parser.add_argument("--summary", metavar="FILE", type=Path, help="draw this Markdown instead of a new deployment's")
    choice = parser.parse_args()
    if not MODULES.is_dir():
        subprocess.run(["npm", "ci", "--ignore-scripts"], cwd=HERE, check=True)
    markdown = choice.summary.read_text(encoding="utf-8") if choice.summary else summary_of_a_deployment()
    folder = choice.open or HERE
    for theme in ("light", "dark"):
        draw(markdown, theme, folder.resolve() / f"summary-{theme}.png", whole=bool(choice.open))


if __name__ == "__main__":
    main()
