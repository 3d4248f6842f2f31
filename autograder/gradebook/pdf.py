"""A page as a PDF, by whatever program here can do that."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from autograder.catalog import CourseError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SECONDS = 120


def make_pdf(page: Path) -> Path:
    """Print a page of ours beside itself; it has neither scripts nor links to other files.

    Raises:
        CourseError: no program for it is installed, or it fails.
    """
    target = page.with_suffix(".pdf")
    with tempfile.TemporaryDirectory() as profile:
        try:
            done = subprocess.run(_command(page, target, profile), capture_output=True, text=True, timeout=SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CourseError(f"{target} cannot be made: {error}") from None
    if not target.is_file():
        raise CourseError(f"{target} cannot be made: {done.stderr.strip()[-300:]}")
    return target


def _command(page: Path, target: Path, profile: str) -> list[str]:
    if browser := next(filter(None, map(shutil.which, BROWSERS)), None):
        options = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-pdf-header-footer",
            f"--user-data-dir={profile}",
        ]
        return [browser, *options, f"--print-to-pdf={target.resolve()}", page.resolve().as_uri()]
    for program in ("weasyprint", "wkhtmltopdf"):
        if found := shutil.which(program):
            return [found, str(page), str(target)]
    raise CourseError("a PDF needs Chromium, Chrome, WeasyPrint or wkhtmltopdf; none of them is installed here")
