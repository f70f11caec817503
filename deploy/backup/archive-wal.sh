#!/bin/sh
# PostgreSQL's archive_command: archive-wal.sh PATH NAME. Success only once the file is on the archive's disk, whole
# and under its name. A file that is there already is never overwritten: the same content is fine (the server asks
# again after a crash), another content is an error.
set -eu
path=$1 name=$2
archive=${YIMA_WAL_ARCHIVE:-${YIMA_BACKUP_FOLDER:-/var/backups/yima}/wal}
umask 077

if [ -e "$archive/$name" ]; then
    cmp -s "$path" "$archive/$name" && { sync "$archive/$name" "$archive"; exit 0; }
    echo "archive-wal: $name is in the archive already, with another content" >&2
    exit 1
fi
aside=$archive/.$name.$$
trap 'rm -f "$aside"' EXIT
cp "$path" "$aside"
sync "$aside"
# A link fails where the name exists, which renaming would not.
ln "$aside" "$archive/$name"
sync "$archive"
