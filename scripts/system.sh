#!/bin/sh
# Installs the distribution's packages that are missing: `system.sh run` to run, `system.sh test` to test.
# Without root or sudo it prints the one line to run, and stops.
set -eu

has_library() { ldconfig -p 2>/dev/null | grep -q "$1" || /sbin/ldconfig -p 2>/dev/null | grep -q "$1"; }
has_command() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }

missing=""
need() { missing="$missing $1"; }

has_library libzbar.so.0 || need libzbar0
case "$(${PYTHON:-python3} -c 'import venv, ensurepip' 2>&1 || true)" in
    *rror*) need python3-venv ;;
esac
if [ "${1:-run}" = test ]; then
    # On Ubuntu the package is a snap, which cannot run everywhere; any Chromium or Chrome that is there will do.
    has_command chromium || has_command chromium-browser || has_command google-chrome || need chromium
    fc-list :lang=zh 2>/dev/null | grep -q . || need "fonts-noto-cjk fontconfig"
    has_command redis-server || need redis-server
    has_command rabbitmq-server || need rabbitmq-server
    has_command wrk || need wrk
    has_command caddy || need caddy
    has_command pdftoppm || need poppler-utils
    has_command softhsm2-util || need softhsm2
    has_command age || need age
fi
[ -n "$missing" ] || exit 0

install="apt-get update && apt-get install -y --no-install-recommends$missing"
if [ "$(id -u)" = 0 ]; then
    run="sh -c"
elif command -v sudo >/dev/null 2>&1 && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    run="sudo sh -c"
else
    echo "These packages are missing:$missing"
    echo "Run this as root, then again what you ran:"
    echo "    $install"
    exit 1
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "These packages are missing:$missing"
    echo "This is no Debian or Ubuntu: install them as your distribution does it, then run again what you ran."
    exit 1
fi
echo "Installing from the distribution:$missing"
log=$(mktemp)
# services of these packages are not to start: tests start their own
if ! DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 $run "export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1; $install" >"$log" 2>&1; then
    tail -n 20 "$log"
    echo "The installation failed; the whole log is in $log."
    exit 1
fi
rm -f "$log"
