"""Runs otter's autograding process, as the file of this name in otter's own zips does, on a submission that is set aside before."""

import json
import os
import shutil
from pathlib import Path

from otter.run.run_autograder import main as run_autograder

from autograder.gradebook.otter.work import ASIDE, BLANK, set_aside


def main(root: Path) -> None:
    """Grade what is in `root/submission`, into `root/results`. otter itself finds an empty notebook, whatever was handed in."""
    shutil.rmtree(root / ASIDE, ignore_errors=True)
    (root / "submission").mkdir(exist_ok=True)
    set_aside(root / "submission")
    (root / "submission" / "submission.ipynb").write_text(BLANK)
    metadata = root / "submission_metadata.json"
    try:
        json.loads(metadata.read_bytes())
    except (OSError, ValueError):
        metadata.write_text("{}")
    run_autograder(str(root))


if __name__ == "__main__":
    main(Path(os.environ.get("AUTOGRADER_ROOT", "/autograder")))
