"""Draws the Mermaid diagrams of the modules' READMEs as SVG files beside them; the progress page shows those.

    python docs/diagrams.py             # those whose text has changed
    python docs/diagrams.py --check     # names them; exit code 1 if there is one

Drawing takes Node's `npx` and a Chromium, whose path may be given in the variable CHROMIUM.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

EXERCISES = Path(__file__).parents[1] / "exercises"
MERMAID = ["npx", "--yes", "@mermaid-js/mermaid-cli@11.17.0"]
LOOK = {"theme": "neutral", "flowchart": {"htmlLabels": False, "wrappingWidth": 400}}  # an <img> shows no HTML


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="draw nothing; name the files that are out of date")
    options = parser.parse_args()
    wanted = {path: text for readme in sorted(EXERCISES.glob("*/README.md")) for path, text in diagrams(readme)}
    outdated = [path for path, text in wanted.items() if not path.exists() or mark(text) not in path.read_text()]
    for path in outdated:
        print(f"{path.relative_to(EXERCISES.parent)} {'is out of date' if options.check else 'drawn'}")
        if not options.check:
            draw(wanted[path], path)
    if options.check and outdated:
        sys.exit("`python docs/diagrams.py` draws them")


def diagrams(readme: Path) -> Iterator[tuple[Path, str]]:
    """The file and the text of each diagram, named after the heading above it."""
    heading, number = "", 0
    for title, kind, text in re.findall(r"(?ms)^#+ ([^\n]+)$|^```(\w*)\n(.*?)^```$", readme.read_text()):
        if title:
            heading, number = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("0123456789_"), 0
        elif kind == "mermaid":
            number += 1
            yield readme.parent / f"{heading}{f'_{number}' if number > 1 else ''}.svg", text


def mark(text: str) -> str:
    """A comment in the file that tells which text was drawn."""
    return f"<!-- Mermaid {hashlib.sha256(text.encode()).hexdigest()[:16]} -->"


def draw(text: str, path: Path) -> None:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        sys.exit("no Chromium found; give its path in the variable CHROMIUM")
    with tempfile.TemporaryDirectory() as folder:
        source, look, browser, drawn = (Path(folder, name) for name in ("a.mmd", "look.json", "browser.json", "a.svg"))
        source.write_text(text)
        look.write_text(json.dumps(LOOK))
        browser.write_text(json.dumps({"executablePath": chromium, "args": ["--no-sandbox"]}))
        options = ["-q", "-i", source, "-o", drawn, "-c", look, "-p", browser, "-b", "white", "-I", path.stem]
        environment = os.environ | {"PUPPETEER_SKIP_DOWNLOAD": "1"}
        subprocess.run([*MERMAID, *options], check=True, env=environment)
        path.write_text(f"{in_its_own_size(drawn.read_text()).rstrip()}\n{mark(text)}\n")


def in_its_own_size(svg: str) -> str:
    """With the size of its view box, not that of whatever it is put into."""
    width, height = re.search(r'viewBox="\S+ \S+ (\S+) (\S+)"', svg).groups()
    return re.sub(r'width="100%"', f'width="{float(width):.0f}" height="{float(height):.0f}"', svg, count=1)


if __name__ == "__main__":
    main()
