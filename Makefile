# Gigsy's commands. `make run` needs Rust, make and pip; `make test` installs what else it needs.

CARGO ?= cargo
SKIPS := target/test-skips.txt

.PHONY: help setup run test test-setup lint docs bench-setup bench bench-full relevance fuzz clean

help:
	@echo "make run     build and serve on http://127.0.0.1:8080 with demo data"
	@echo "make test    everything that CI runs"
	@echo "make lint    format, clippy, licences, documentation"
	@echo "make bench   the small benchmark beside the peers (minutes); bench-full takes an hour or two"
	@echo "make relevance  what search is worth on graded sets (docs/relevance)"
	@echo "make fuzz    one minute of fuzzing inbound frames (needs nightly and cargo-fuzz)"
	@echo "make docs    the API document and the code's documentation"
	@echo "make clean   remove what builds and set-up made (never your data directory)"

# The private PostgreSQL and a font for Chinese, Japanese and Korean: from this machine if they are complete,
# else pinned packages.
setup:
	@scripts/setup-postgres
	@scripts/setup-fonts >/dev/null

run: setup
	$(CARGO) build --release --locked
	@exec target/release/gigsy serve --demo

test-setup: setup
	@scripts/setup-tests

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items
	scripts/check-deploy
	@if command -v cargo-deny >/dev/null 2>&1; then cargo deny --log-level error check licenses bans sources; \
	elif [ -n "$$CI" ]; then $(CARGO) install --locked cargo-deny && cargo deny --log-level error check licenses bans sources; \
	else mkdir -p target; echo "cargo deny: not installed (cargo install --locked cargo-deny)" >> $(SKIPS); fi

test: test-setup
	@mkdir -p target; : > $(SKIPS)
	@$(MAKE) --no-print-directory lint
	$(CARGO) build --locked
	$(CARGO) test --locked --lib
	$(CARGO) test --locked -p gigsy-load
	@scripts/test-postgres-server
	@scripts/test-redis-server
	@scripts/test-nats-server
	@scripts/test-mongodb-server
	@if [ -s $(SKIPS) ]; then echo; echo "SKIPPED, by name:"; sed 's/^/  SKIPPED /' $(SKIPS); else echo "nothing skipped"; fi

bench-setup: setup
	@scripts/setup-bench
	$(CARGO) build --release --locked
	$(CARGO) build --release --locked -p gigsy-load

bench: bench-setup
	target/release/gigsy-load
	target/release/gigsy-load figures

bench-full: bench-setup
	target/release/gigsy-load --full
	target/release/gigsy-load figures

# The code is as in a debug build, the crates too: what is measured is not time.
relevance: setup
	@scripts/relevance-grade --check
	@scripts/relevance-collection || echo "SKIPPED semanlink: the package cannot be had"
	$(CARGO) bench --locked --profile dev --bench relevance

fuzz:
	$(CARGO) +nightly fuzz run inbound_frame -- -max_total_time=60

docs:
	$(CARGO) run --locked --quiet -- openapi > target/openapi.json
	$(CARGO) doc --locked --no-deps

clean:
	$(CARGO) clean
	rm -rf .gigsy
