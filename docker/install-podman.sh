#!/usr/bin/env bash
# Installs what tests/docker needs: podman, runc and mmdebstrap. Debian and Ubuntu, as root; elsewhere it says why not.
set -euo pipefail

command -v apt-get >/dev/null || { echo "not installed: this is no Debian or Ubuntu; install podman, runc and mmdebstrap" >&2; exit 1; }
[ "$(id -u)" = 0 ] || { echo "not installed: only root can; run: sudo $0" >&2; exit 1; }
if command -v podman && command -v runc && command -v mmdebstrap; then exit 0; fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends podman runc netavark mmdebstrap >/dev/null
