#!/bin/sh
# Makes a data folder that recovers to a moment: restore.sh MOMENT NEW_FOLDER.
#   MOMENT        such as '2026-11-22 08:30:00+00', or 'latest' for everything that was archived
#   NEW_FOLDER    must not exist; PostgreSQL is then started over it, as the account that owns it
#   YIMA_BACKUP_FOLDER    where base/ and wal/ are (default /var/backups/yima)
#   YIMA_WAL_FOLDER       where the recovering server finds that wal/, if it sees it elsewhere: within the container
#                         of docker-compose.yml, /var/backups/yima/wal (default: wal/ of the folder above)
# Nothing of the old data folder is touched: move it away yourself once the new one is proved good.
set -eu
umask 077
[ $# = 2 ] || { sed -n '2,8s/^# //p' "$0" >&2; exit 2; }
moment=$1 new=$2
folder=${YIMA_BACKUP_FOLDER:-/var/backups/yima}
wal=${YIMA_WAL_FOLDER:-$folder/wal}
[ ! -e "$new" ] || { echo "$new exists already: name a new folder" >&2; exit 1; }

if [ "$moment" = latest ]; then
    until=99999999T999999Z
else
    until=$(date -u -d "$moment" +%Y%m%dT%H%M%SZ) || { echo "'$moment' is no moment" >&2; exit 1; }
    # the server reads it too, and a quote in it would be a setting of its own
    moment=$(date -u -d "$moment" +'%Y-%m-%d %H:%M:%S.%N+00')
fi
base=
for each in $(ls -1 "$folder/base" | sort); do
    # a base backup bears the time of its beginning and is of use only after its end
    ended=$(date -u -r "$folder/base/$each/backup_manifest" +%Y%m%dT%H%M%SZ)
    [ "$(printf '%s\n' "$ended" "$until" | sort | head -n 1)" = "$ended" ] && base=$each
done
[ -n "$base" ] || { echo "no base backup ended before $moment" >&2; exit 1; }

echo "from base backup $base, to $moment"
"$(dirname "$0")/verify.sh" "$folder/base/$base"
cp -a "$folder/base/$base" "$new"
chmod 0700 "$new"
{
    echo "# Written by restore.sh; remove these lines after the recovery."
    # A status above 125 stops the recovery: an archive that cannot be read must not pass for its end.
    echo "restore_command = 'ls \"$wal\" >/dev/null || exit 255; cp \"$wal/%f\" \"%p\"'"
    echo "recovery_target_timeline = 'latest'"
    # so that the WAL written from here on does not get into the archive of the old line unasked
    echo "archive_mode = off"
    if [ "$moment" != latest ]; then
        echo "recovery_target_time = '$moment'"
        echo "recovery_target_inclusive = on"
        echo "recovery_target_action = promote"
    fi
} >>"$new/postgresql.auto.conf"
touch "$new/recovery.signal"
sync "$new/postgresql.auto.conf" "$new"
echo "start PostgreSQL over $new; it is ready when pg_is_in_recovery() says false"
