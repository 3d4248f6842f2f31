#!/usr/bin/env bash
# Gradescope runs this once, when it builds the image.
set -euo pipefail
root="${AUTOGRADER_ROOT:-/autograder}"

python=""
find_python() {
    for name in python3.13 python3.12 python3.11 python3; do
        if command -v "$name" >/dev/null && "$name" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
            python="$name"
            return
        fi
    done
}
find_python
if [ -z "$python" ]; then
    apt-get update -qq
    apt-get install -y -qq python3.12 python3.12-venv || apt-get install -y -qq python3.11 python3.11-venv
    find_python
fi
[ -n "$python" ] || { echo "this needs Python 3.11, 3.12 or 3.13" >&2; exit 1; }

"$python" -m venv "$root/venv"
"$root/venv/bin/python" -m pip install --quiet --disable-pip-version-check --constraint "$root/source/constraints.txt" "$root/source@EXTRAS@"
