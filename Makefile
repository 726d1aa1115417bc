# `make test` installs what it needs and runs everything. Each part has a target of its own.
SHELL := /bin/bash
ARCHGEN := $(or $(CARGO_TARGET_DIR),target)/release/archgen
SLACK := examples/slack/topology.yaml
# The random cases of property tests are the same in each run; another number draws others.
export PROPTEST_RNG_SEED ?= 1

.PHONY: test install build lint unit verify engines test-real interop journey journey-mixed journey-real migration simulate sim-determinism sabotage weakenings bench bench-generate bench-plan bench-spec bench-realtime fuzz test-plans bench-forecast fleet-replay page

test: install build lint unit engines journey migration simulate sabotage
	@echo "all parts passed"

# Debian, npm and PyPI packages that the tests drive; safe to repeat.
install:
	tests/install

build:
	cargo build --release --workspace --bins

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

# Unit, property, conformance, tidy, golden, command-line and real-tool tests.
unit:
	cargo test --workspace --exclude archgen-tests
	cargo test -p archgen-tests --test tidy --test diagnostics

# Artifacts of the examples and of SYSTEMS random ones, each accepted by the program that reads it, at zero findings, and applied to
# the real engines. The first time its programs are installed, which takes minutes.
SYSTEMS ?= 50
verify:
	tests/verify/install
	tests/backends/install $(APPLIED)
	tests/backends/start $(APPLIED)
	out=$$(mktemp -d) && cargo run -p archgen-generator --example corpus -- $$out $(SYSTEMS) && tests/verify/run $$out && \
	  tests/verify/apply $$out; status=$$?; rm -rf $$out; tests/backends/stop $(APPLIED); exit $$status

# Engines to which artifacts are applied; Redis and Consul are started with what is generated for them.
APPLIED := postgres cassandra kafka elasticsearch s3

# The stock Socket.IO clients against the server, through proxies that cut; a part of `unit`.
interop:
	cargo test -p archgen-socketio --test interop

# docs/fidelity.md against what the suites have found on this machine; written anew, and a failure, where it says something else.
FIDELITY = cargo test -p archgen-tests --features real --test engines -- --nocapture fidelity::

# The conformance suites against real engines that start in seconds, and those servers killed and stopped under load.
engines:
	tests/backends/install
	tests/backends/start
	cargo test -p archgen-tests --features real --test engines -- --skip clusters:: --skip consul:: --skip elasticsearch:: --skip fidelity:: --skip links:: --skip mongodb:: --skip readers:: ; \
	  status=$$?; tests/backends/stop; exit $$status

# All of it, also against engines that take longer, clusters, bad links and other programs' clients; it takes minutes.
REAL := mongodb elasticsearch opensearch consul cassandra-cluster kafka-cluster consul-cluster redis-cluster
test-real:
	tests/backends/install
	tests/backends/install $(REAL)
	tests/backends/readers
	tests/backends/start
	tests/backends/start $(REAL)
	cargo test -p archgen-tests --features real --test engines -- --nocapture --test-threads 1 --skip fidelity:: ; \
	  status=$$?; tests/backends/stop; tests/backends/stop $(REAL); [ $$status = 0 ] && $(FIDELITY)

# Plans carried out on the engines that they are for, by the engines' own tools: Redis, Kafka, Cassandra and Elasticsearch on
# loopback. PostgreSQL's is part of `unit`.
test-plans:
	tests/plans/install
	cargo test -p archgen-tests --test plans -- --nocapture --test-threads 1

# A fleet from the reference spec; the journey through it, the guarantees while its hosts die, the two clients, bad input; and Debian's
# nginx with the generated files before a fleet. ARCHGEN_ENV is the environment in which it is brought up.
journey: build
	$(PLAY); exit $$status

# The same tests, unchanged, where PostgreSQL, Redis, nginx and Consul are real and belong to the fleet; they are killed like any host.
MIXED := postgres redis consul
journey-mixed:
	cargo build --release --bins --features postgres,redis,consul
	tests/install
	tests/backends/install $(MIXED)
	source tests/backends/place; export PATH=$$root/redis:$$root/consul:$$PATH ARCHGEN_ENV=mixed PG_PASSWORD=archgen-test \
	  REDIS_PASSWORD=archgen-test CONSUL_TOKEN=00000000-0000-4000-8000-617263686765; $(PLAY); exit $$status

# The same where no store is archgen's own.
STORES := postgres redis s3 cassandra kafka mongodb elasticsearch consul
journey-real:
	cargo build --release --bins --features real
	tests/install
	tests/backends/install $(STORES)
	tests/backends/start $(STORES)
	export ARCHGEN_ENV=real PG_PASSWORD=archgen-test REDIS_PASSWORD=archgen-test S3_SECRET=archgen-test \
	  CONSUL_TOKEN=00000000-0000-4000-8000-617263686765; $(PLAY); tests/backends/stop $(STORES); exit $$status

define PLAY
$(ARCHGEN) down >/dev/null 2>&1 || true; \
export ARCHGEN_SYNCED=$(CURDIR)/.archgen-synced ARCHGEN_SYNCED_LIBRARY=$$(tests/power/build); rm -f $$ARCHGEN_SYNCED; \
LD_PRELOAD=$$ARCHGEN_SYNCED_LIBRARY $(ARCHGEN) up $(SLACK) --env $${ARCHGEN_ENV:-dev} --detach && \
$(ARCHGEN) wait --healthy --timeout 60s && \
cargo test -p archgen-tests --test journey --test dashboards --test guarantees --test clients --test hostile --test nginx_behaviour; status=$$?; $(ARCHGEN) down
endef

# A fleet whose numbers of nodes and instances change under load while hosts are killed in each phase.
migration: build
	cargo test -p archgen-tests --test migration -- --nocapture

simulate: build
	$(ARCHGEN) sim doctor
	$(ARCHGEN) sim $(SLACK) --seeds 50
	$(ARCHGEN) sim $(SLACK) --seeds 5 --engine both
	$(ARCHGEN) sim $(SLACK) --seeds 5 --twice
	$(ARCHGEN) sim $(SLACK) --seeds 20 --only rebalance

# Replays that must not differ: PAIRS seeds (10,000 take about an hour on two cores).
PAIRS ?= 10000
sim-determinism: build
	$(ARCHGEN) sim $(SLACK) --seeds $(PAIRS) --twice

# Plants one bug at a time and expects the simulator to find it.
sabotage:
	tests/sabotage

# Weakens the reference spec in five ways and expects a smallest story of what each costs.
weakenings: build
	tests/weakenings

# Opens the page about a run in Chromium (Debian's `chromium`).
page: build
	tests/page

# Plants bugs, finds and shrinks them in simulation, and plays the smallest schedules to real processes; it takes about half an hour.
fleet-replay:
	tests/fleet-replay

bench: build
	benches/run

# The slot planner against its bars, beside jump, rendezvous, Maglev and a ring; fails where a bar is missed.
bench-plan:
	benches/plan/run

# `generate` and `plan` from the reference spec to 60,000 services against their bars, and peers in the same run.
bench-generate:
	benches/generate/run
# What the planner forecasts beside what the embedded message store holds after a day of the reference load at a thousandth.
bench-forecast:
	benches/forecast/run

# The spec language from 1,000 to 100,000 services, keystrokes in the language server, and peers in the same run.
bench-spec:
	benches/spec/run

# Against npm socket.io and socketioxide in the same run; appends to benches/RESULTS.md.
bench-realtime:
	benches/realtime/run

# Each target for FUZZ_SECONDS (600 where a release is judged): no panic, no hang, flat memory.
FUZZ_SECONDS ?= 60
fuzz:
	for target in socketio_packets socketio_frames socketio_polling socketio_json; do fuzz/run $$target $(FUZZ_SECONDS) || exit 1; done
	fuzz/spec/run $(FUZZ_SECONDS)
