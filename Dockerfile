# syntax=docker/dockerfile:1

# docker build -t tandem .                      for databases of your own (DATABASE_URL, AI_DATABASE_URL)
# docker build -t tandem --target embedded .    with a Postgres inside, its data in /data

FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends build-essential make python3 python3-pip \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# What is fetched changes less often than the code.
COPY Makefile rust-toolchain.toml ./
COPY scripts scripts
RUN make setup
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked -p app && cp target/release/tandem /usr/local/bin/tandem

FROM debian:bookworm-slim AS base
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin tandem \
 && install -d -o tandem -g tandem /data
COPY --from=build /src/.cache/models /opt/tandem/models
COPY --from=build /src/.cache/market /opt/tandem/market
COPY --from=build /usr/local/bin/tandem /usr/local/bin/tandem
ENV HOST=0.0.0.0 \
    PORT=8080 \
    APP_ENV=production \
    LOG_FORMAT=json \
    TANDEM_CACHE_DIR=/opt/tandem \
    DATA_DIR=/data
WORKDIR /data
USER tandem
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 CMD ["tandem", "health"]
CMD ["tandem", "serve"]

FROM base AS embedded
COPY --from=build /src/.cache/postgres /opt/tandem/postgres
ENV ALLOW_EMBEDDED=true
VOLUME /data

# The default: the last stage.
FROM base AS tandem
