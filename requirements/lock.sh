#!/bin/sh
# Writes the two lock files anew from pyproject.toml: every package with its hashes, no download address.
# setup.txt is a subset of test.txt: the same versions, so that a test run installs over a set-up.
set -eu
cd "$(dirname "$0")/.."
.venv/bin/python -m pip install --quiet uv
lock() { .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links pyproject.toml "$@"; }
lock --extra build --extra test -o requirements/test.txt
lock --extra build -c requirements/test.txt -o requirements/setup.txt
