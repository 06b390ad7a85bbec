#!/bin/sh
# Gets a certificate and keeps it fresh. nginx needs one to start, and Certbot needs nginx to get one:
# so the first is made here, by nobody's authority, and replaced as soon as the real one is there.
set -eu
: "${GIGSY_DOMAIN:?}"
tls=/etc/gigsy-tls
live=/etc/letsencrypt/live/$GIGSY_DOMAIN

put() {
    # The chain last: nginx is told to reload when it changes.
    install -m 600 "$2" "$tls/privkey.pem.new" && mv "$tls/privkey.pem.new" "$tls/privkey.pem"
    install -m 644 "$1" "$tls/fullchain.pem.new" && mv "$tls/fullchain.pem.new" "$tls/fullchain.pem"
}

if [ ! -s "$tls/fullchain.pem" ]; then
    openssl req -x509 -newkey rsa:2048 -nodes -days 7 -subj "/CN=$GIGSY_DOMAIN" \
        -keyout /tmp/key.pem -out /tmp/cert.pem 2>/dev/null
    put /tmp/cert.pem /tmp/key.pem
    rm -f /tmp/key.pem /tmp/cert.pem
fi

if [ -n "${CERTBOT_EMAIL:-}" ]; then
    set -- --email "$CERTBOT_EMAIL"
else
    set -- --register-unsafely-without-email
fi

trap 'exit 0' TERM INT
while :; do
    # Asks the authority only when there is none, or it ends within 30 days.
    if certbot certonly --webroot -w /var/www/acme -d "$GIGSY_DOMAIN" --server "$CERTBOT_SERVER" \
        --non-interactive --agree-tos --keep-until-expiring --key-type ecdsa \
        "$@"; then
        cmp -s "$live/fullchain.pem" "$tls/fullchain.pem" || put "$live/fullchain.pem" "$live/privkey.pem"
        wait_for=43200
    else
        # The authority allows five failures an hour.
        wait_for=1800
    fi
    sleep "$wait_for" &
    wait $!
done
