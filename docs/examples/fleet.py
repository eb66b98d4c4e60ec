"""Deploy the schema folder to every database in `databases.txt`, eight at a time, and print one line for each."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from turso_deploy import InputError, Project, ProjectError, deploy, load_project, open_database


def deploy_to(number: int, url: str, project: Project) -> tuple[int, str]:
    """Deploy the project to one database, and return the exit code and the text to print. The URL may be a secret."""
    try:
        with open_database(url, auth_token=os.environ.get("TURSO_AUTH_TOKEN")) as database:
            report = deploy(project, database, allow_hazards=["drop-column:users.nickname"])
    except InputError as error:
        return error.exit_code, f"databases.txt:{number} failed {error.message} {error.hint or ''}"
    return report.exit_code, f"{report.database} {report.status} {report.error.message if report.error else ''}"


def main() -> int:
    """Return the most severe exit code of all deployments: failed, invalid, blocked, or 0 if each succeeded."""
    lines = enumerate(Path("databases.txt").read_text(encoding="utf-8").splitlines(), start=1)
    urls = {number: url for number, url in lines if url}
    exit_codes = [0]
    try:
        with load_project("schema") as project, ThreadPoolExecutor(8) as pool:
            results = pool.map(lambda number: deploy_to(number, urls[number], project), urls)
            for exit_code, text in results:
                print(text)
                exit_codes.append(exit_code)
    except ProjectError as error:
        print(error.place or "", error.message, error.hint or "")
        return error.exit_code
    return min(exit_codes, key=(1, 2, 5, 0).index)


if __name__ == "__main__":
    sys.exit(main())
