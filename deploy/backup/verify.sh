#!/bin/sh
# Verifies a base backup against its manifest: verify.sh FOLDER. Every file must be there with its size's content
# (SHA-256), none besides, and the manifest itself unaltered. Where PostgreSQL's own pg_verifybackup works, it is
# asked too: it also reads the WAL.
set -eu
backup=$1
manifest=$backup/backup_manifest
[ -s "$manifest" ] || { echo "$backup has no backup_manifest" >&2; exit 1; }

# The manifest's last line holds the checksum of all lines before it.
told=$(sed -n 's/^"Manifest-Checksum": "\([0-9a-f]\{64\}\)"}$/\1/p' "$manifest")
made=$(sed '$d' "$manifest" | sha256sum | cut -d' ' -f1)
[ "$told" = "$made" ] || { echo "$manifest was altered or is not whole" >&2; exit 1; }

listed=$(mktemp)
trap 'rm -f "$listed"' EXIT
sed -n 's/^{ "Path": "\([^"\\]*\)", .*"Checksum-Algorithm": "SHA256", "Checksum": "\([0-9a-f]\{64\}\)" },\{0,1\}$/\2  \1/p' \
    "$manifest" >"$listed"
entries=$(grep -c '^{ "\(Path\|Encoded-Path\)": ' "$manifest")
[ "$(wc -l <"$listed")" -eq "$entries" ] || { echo "$manifest has entries that cannot be read" >&2; exit 1; }
(cd "$backup" && sha256sum --check --quiet --strict "$listed") >&2
files=$(cd "$backup" && find . -type f ! -path './pg_wal/*' ! -name backup_manifest | wc -l)
[ "$files" -eq "$(grep -vc '  pg_wal/' "$listed")" ] || { echo "$backup has files that its manifest does not list" >&2; exit 1; }

if pg_verifybackup --version >/dev/null 2>&1; then
    pg_verifybackup --quiet "$backup"
fi
