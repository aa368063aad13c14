"""`make clean`: remove the data folder `$VAR` and the tools' caches, and nothing outside this project.

python -m beatra_site.embedded.clean
"""

import os
import shutil
import sys
from pathlib import Path

from beatra_site.embedded.lock import AlreadyRunningError, FolderLock
from beatra_site.embedded.reach import open_place_for

ROOT = Path(__file__).resolve().parent.parent.parent
CACHES = (".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".import_linter_cache")


def clean(*, var: Path, root: Path = ROOT) -> str | None:
    """Remove all that; the result is why not, in a line, or None. While beatra runs on `var`, nothing is touched."""
    # Where root keeps a database whose own folder is closed to the database's user
    stand_in = open_place_for(var / "postgres")
    if var.exists():
        if root not in var.parents:
            return f"{var} is not in {root}: remove it yourself" + (f", and {stand_in}" if stand_in.exists() else "")
        if any(var.iterdir()) and not (var / "lock").exists():
            return f"{var} is no data folder of beatra: remove it yourself"
        try:
            lock = FolderLock(var)
        except AlreadyRunningError as error:
            return f"beatra runs on {var} ({error}): stop it first"
        if stand_in.is_dir():
            shutil.rmtree(stand_in)
        lock.release()
        shutil.rmtree(var)
    for name in CACHES:
        shutil.rmtree(root / name, ignore_errors=True)
    for folder in root.rglob("__pycache__"):
        if ".venv" not in folder.parts:
            shutil.rmtree(folder, ignore_errors=True)
    return None


if __name__ == "__main__":
    sys.exit(clean(var=Path(os.environ.get("VAR") or ROOT / "var").resolve()))
