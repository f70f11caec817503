#!/bin/sh
# The backup job: a base backup now if the last one is older than a day, then one each day. Ends on SIGTERM.
set -eu
here=$(dirname "$0")
folder=${YIMA_BACKUP_FOLDER:-/var/backups/yima}
every_s=${YIMA_BACKUP_EVERY_S:-86400}
trap 'exit 0' TERM INT
while :; do
    last=$(cat "$folder/last" 2>/dev/null || echo 0)
    wait_s=$((last + every_s - $(date -u +%s)))
    if [ "$wait_s" -le 0 ]; then
        # A backup that failed is tried again in ten minutes; is-fresh.sh tells if none succeeds.
        "$here/base-backup.sh" || wait_s=600
        [ "$wait_s" -gt 0 ] || continue
    fi
    sleep "$wait_s" &
    wait $!
done
