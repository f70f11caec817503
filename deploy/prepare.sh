#!/bin/sh
# Makes what docker-compose.yml needs and no repository may hold: secrets and the folder of the backups.
# Run it once, as root, in the folder of docker-compose.yml; what is there already stays as it is.
set -eu
umask 077
cd "$(dirname "$0")/.."
secrets=${YIMA_SECRETS_FOLDER:-deploy/secrets}
backups=${YIMA_BACKUP_FOLDER:-/var/backups/yima}
YIMA_UID=10001 POSTGRES_UID=999 RABBITMQ_UID=999 VALKEY_UID=999

random() { head -c 48 /dev/urandom | base64 | tr -dc 'A-Za-z0-9' | head -c 40; }
# make NAME UID CONTENT: a file that only its container's account can read
make() {
    path=$secrets/$1
    if [ ! -s "$path" ]; then
        printf '%s\n' "$3" >"$path"
        echo "made $path"
    fi
    chown "$2" "$path"
    chmod 0400 "$path"
}
mkdir -p "$secrets"
chmod 0711 "$secrets"

database=$(cat "$secrets/database_password" 2>/dev/null || random)
backup=$(cat "$secrets/backup_password" 2>/dev/null || random)
broker=$(sed -n 's/.*:\(.*\)@rabbitmq.*/\1/p' "$secrets/broker_url" 2>/dev/null || true)
broker=${broker:-$(random)}
cache=$(sed -n 's/^requirepass //p' "$secrets/valkey_auth" 2>/dev/null || true)
cache=${cache:-$(random)}

make postgres_password $POSTGRES_UID "$(random)"
make database_password $POSTGRES_UID "$database"
make backup_password $POSTGRES_UID "$backup"
make database_url $YIMA_UID "postgresql://yima:$database@postgres/yima"
make broker_url $YIMA_UID "amqp://yima:$broker@rabbitmq//"
make redis_url $YIMA_UID "redis://:$cache@valkey/0"
make secret_keys $YIMA_UID "$(random)"
make valkey_auth $VALKEY_UID "requirepass $cache"
make rabbitmq_definitions $RABBITMQ_UID '{"users": [{"name": "yima", "password": "'"$broker"'", "tags": []}],
 "vhosts": [{"name": "/"}],
 "permissions": [{"user": "yima", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}]}'
# These two are the text-message gateway's and the mail server's: write them by hand.
make sms_secret $YIMA_UID "$(random)"
make smtp_url $YIMA_UID "smtps://user:password@mail.example"

for folder in "$backups" "$backups/base" "$backups/wal"; do
    mkdir -p "$folder"
    chown $POSTGRES_UID:$POSTGRES_UID "$folder"
    chmod 0700 "$folder"
done
caddy=${YIMA_CADDY_FOLDER:-/var/lib/yima-caddy}
mkdir -p "$caddy"
chown 10002:10002 "$caddy"
chmod 0700 "$caddy"
echo "Keep a copy of $secrets/secret_keys elsewhere: without it a backup cannot be read."
