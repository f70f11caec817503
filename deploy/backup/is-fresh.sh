#!/bin/sh
# Whether the backups are as young as they should be: a base backup within 26 hours, WAL within ten minutes.
set -eu
folder=${YIMA_BACKUP_FOLDER:-/var/backups/yima}
base_s_max=${YIMA_BACKUP_AGE_S_MAX:-93600}
wal_s_max=${YIMA_WAL_AGE_S_MAX:-600}
now=$(date -u +%s)
last=$(cat "$folder/last" 2>/dev/null || echo 0)
if [ $((now - last)) -gt "$base_s_max" ]; then
    echo "the last base backup is $((now - last)) s old" >&2
    exit 1
fi
newest=$(ls -1t "$folder/wal" | head -n 1)
[ -n "$newest" ] || { echo "no WAL was ever archived" >&2; exit 1; }
age=$((now - $(stat -c %Y "$folder/wal/$newest")))
if [ "$age" -gt "$wal_s_max" ]; then
    echo "the last WAL was archived $age s ago" >&2
    exit 1
fi
