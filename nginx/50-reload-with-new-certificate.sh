#!/bin/sh
# Started by the nginx image's entrypoint: looks every 30 s whether Certbot has put a new certificate
# in place, and has nginx take it up. Connections stay.
set -eu
(
    last=$(cksum /etc/gigsy-tls/fullchain.pem)
    while sleep 30; do
        now=$(cksum /etc/gigsy-tls/fullchain.pem 2>/dev/null) || continue
        if [ "$now" != "$last" ] && nginx -t 2>/dev/null; then
            nginx -s reload && last=$now
        fi
    done
) &
