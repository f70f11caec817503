#!/bin/sh
# One base backup, verified, and the old ones gone: base-backup.sh. Connects as PGHOST, PGPORT, PGUSER say.
#   YIMA_BACKUP_FOLDER    where base/ and wal/ are (default /var/backups/yima)
#   YIMA_BACKUPS_KEPT     how many base backups stay (default 7); WAL from the oldest one on stays with them
set -eu
umask 077
folder=${YIMA_BACKUP_FOLDER:-/var/backups/yima}
kept=${YIMA_BACKUPS_KEPT:-7}
case $kept in '' | *[!0-9]* | 0) echo "YIMA_BACKUPS_KEPT is a number from 1 on, not '$kept'" >&2; exit 2 ;; esac
if [ -n "${YIMA_BACKUP_PASSWORD_FILE:-}" ]; then
    PGPASSWORD=$(cat "$YIMA_BACKUP_PASSWORD_FILE")
    export PGPASSWORD
fi

# Two at once would take each other's unfinished work for what was left behind.
exec 9>"$folder/.lock"
flock -n 9 || { echo "another base backup is being taken" >&2; exit 1; }

# Names sort by time. A backup has its name only once it is whole and verified.
name=$(date -u +%Y%m%dT%H%M%SZ)
rm -rf "$folder"/base/.new-*
aside=$folder/base/.new-$name
trap 'rm -rf "$aside"' EXIT
pg_basebackup --pgdata="$aside" --format=plain --wal-method=stream --checkpoint=fast \
    --manifest-checksums=SHA256 --no-password --label="yima $name"
"$(dirname "$0")/verify.sh" "$aside"
sync "$aside" "$folder/base"
mv "$aside" "$folder/base/$name"
sync "$folder/base"

# shellcheck disable=SC2012 # names are our own: digits and letters
ls -1 "$folder/base" | sort -r | tail -n "+$((kept + 1))" | while read -r old; do
    rm -rf "${folder:?}/base/$old"
done

# WAL before the oldest backup that stays serves nothing any more.
oldest=$(ls -1 "$folder/base" | sort | head -n 1)
first=$(sed -n 's/^START WAL LOCATION: .* (file \([0-9A-F]\{24\}\))$/\1/p' "$folder/base/$oldest/backup_label")
[ -n "$first" ] && pg_archivecleanup --clean-backup-history "$folder/wal" "$first"
date -u +%s >"$folder/.last.new" && sync "$folder/.last.new" && mv "$folder/.last.new" "$folder/last"
echo "backup $name: $(du -sh "$folder/base/$name" | cut -f1), $(ls -1 "$folder/base" | wc -l) kept, WAL from $first"
