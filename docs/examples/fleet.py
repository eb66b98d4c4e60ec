"""Deploy the schema folder to every database in `databases.txt`, eight at a time, and print one line for each."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from turso_deploy import InputError, Project, ProjectError, Report, deploy, load_project, open_database


def deploy_to(url: str, project: Project) -> Report:
    """Deploy the project to one database."""
    with open_database(url, auth_token=os.environ.get("TURSO_AUTH_TOKEN")) as database:
        return deploy(project, database, allow_hazards=["drop-column:users.nickname"])


def main() -> int:
    """Return the highest exit code of all deployments; 0 if each succeeded."""
    urls = Path("databases.txt").read_text(encoding="utf-8").split()
    try:
        with load_project("schema") as project, ThreadPoolExecutor(8) as pool:
            reports = list(pool.map(lambda url: deploy_to(url, project), urls))
    except (InputError, ProjectError) as error:
        print(error.place or "", error.message, error.hint or "")
        return error.exit_code
    for report in reports:
        print(report.database, report.status, report.error.message if report.error else "")
    return max(report.exit_code for report in reports)


if __name__ == "__main__":
    sys.exit(main())
