#!/bin/sh
# What no linter looks for: download addresses in locks, paths of one machine, files that do not belong here.
set -eu
cd "$(dirname "$0")/.."
bad=0
complain() { echo "$1"; echo "$2"; bad=1; }

found=$(git grep -nIE '"resolved": *"http|--(extra-)?index-url|--find-links|@ *https?://' -- 'requirements/*.txt' '*lock*.json' || true)
[ -z "$found" ] || complain "Download addresses in lock files:" "$found"

above=$(dirname "$PWD")
found=$([ "$above" = / ] || git grep -nIF "$above/" -- . || true)
[ -z "$found" ] || complain "Paths of one machine:" "$found"

found=$(git ls-files | grep -E '(^|/)(node_modules|dist|__pycache__)/|\.(pyc|min\.js)$' || true)
[ -z "$found" ] || complain "Built or third-party files are committed:" "$found"

exit $bad
