"""The JSON report of a run as a file of the workspace, for later steps of the job.

It is not in the runner's folder for temporary files, because that is not mounted into the containers of all runners.
"""

from __future__ import annotations

import errno
import stat
from pathlib import Path

from turso_deploy.core.files import make_folder, write_file

FOLDER = "turso-deploy-reports"
"""The folder of the reports in the workspace. git ignores it, because it holds a `.gitignore`."""
_MAX_NUMBER = 10_000


def write_report_file(workspace: Path, command: str, report: str) -> str:
    """Write a report to a new file, and return its path relative to the workspace.

    The file belongs to the owner of the workspace, who may not be the user of the container. Raises OSError.
    """
    folder = workspace / FOLDER
    if not folder.is_symlink() and not folder.exists():
        make_folder(folder)
        write_file(folder / ".gitignore", b"*\n", replace=False)
    if not stat.S_ISDIR(folder.lstat().st_mode):  # a link would lead out of the workspace
        raise NotADirectoryError(errno.ENOTDIR, f"{FOLDER} is not a folder")
    for number in range(1, _MAX_NUMBER):
        name = f"{command}-{number}.json"
        try:
            write_file(folder / name, report.encode(), replace=False)
        except FileExistsError:
            continue
        return f"{FOLDER}/{name}"
    raise FileExistsError(errno.EEXIST, f"{FOLDER} has too many files")
