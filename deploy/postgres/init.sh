#!/bin/sh
# Run once by the image, when the data folder is new: the application's role and database, and the backup's role.
set -eu
yima=$(cat /run/secrets/database_password)
backup=$(cat /run/secrets/backup_password)
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
    --set yima="$yima" --set backup="$backup" <<'SQL'
CREATE ROLE yima LOGIN PASSWORD :'yima';
CREATE DATABASE yima OWNER yima TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C';
REVOKE ALL ON DATABASE yima FROM PUBLIC;
CREATE ROLE backup LOGIN REPLICATION PASSWORD :'backup';
SQL
