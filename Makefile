# pgrescue. `make demo` and `make test` are all that a newcomer needs.

include .ci/versions

GO ?= go
# The tree may be a copy that git does not trust, or no clone at all; nothing here needs
# its revision but build, which carries it wherever git tells it, whatever GOFLAGS says.
RUN := $(GO) run -buildvcs=false
REVISION = -buildvcs=$$(git rev-parse --quiet --verify HEAD >/dev/null 2>&1 && echo true || echo false)
# Only the tests work in memory, not the compiler: such a folder may not run programs.
INMEMORY = -exec "env TMPDIR=$$(bash .ci/tmpdir)"

# The race detector watches our packages and all that they call themselves. These lie below, where it
# would make single-threaded work ten times slower: the compiler of the SQL grammar, and SQLite, which
# was C. modernc.org/libc stays watched: there it sees that two goroutines share a connection.
UNWATCHED = github.com/tetratelabs/wazero modernc.org/sqlite
# A program under it waits at its end for reports of other goroutines: one second, unless told otherwise.
RACE = CGO_ENABLED=1 GORACE="atexit_sleep_ms=20 $$GORACE" $(GO) test -race $(foreach module,$(UNWATCHED),-gcflags='$(module)/...=-race=false')

FUZZTIME ?= 1m

.DEFAULT_GOAL := help
.PHONY: help demo test race bench bench-memory fuzz incident build check format-check vet staticcheck vulncheck postgresql compiler clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile

demo: ## a whole rescue on bundled evidence; needs nothing but Go
	@$(RUN) ./cmd/pgrescue demo

test: postgresql ## install what the tests need, and run them
	$(GO) test $(INMEMORY) -timeout 30m ./...

race: postgresql compiler ## the tests with the race detector, on one version of PostgreSQL
	$(RACE) $(INMEMORY) -short -timeout 40m ./...

bench: postgresql ## the benchmarks, with the peers' figures beside them; PGRESCUE_BENCH_MB=N sets the size of the WAL
	$(GO) test -run '^$$' -bench . -benchtime 1x -benchmem -timeout 30m ./cmd/pgrescue ./recover/wal ./recover/redo ./recover/undelete ./recover/stream ./recover/casefile ./recover/restore \
		./importers/csvfile ./importers/jsonfile ./importers/xlsxfile ./logparse ./logparse/pglog ./logparse/rebuild
	$(GO) test -run '^$$' -bench . -benchtime 200ms -benchmem ./recover/pg/... ./recover/datum ./recover/evidence ./recover/heap ./importers/mapping ./logparse/statement ./logparse/pyrepr

bench-memory: postgresql ## the peak memory of the commands on 1, 4 and 8 GiB of WAL; PGRESCUE_BENCH_MEMORY_MB=LIST sets the sizes
	PGRESCUE_BENCH_MEMORY_MB="$${PGRESCUE_BENCH_MEMORY_MB:-1024,4096,8192}" \
		$(GO) test -run '^$$' -bench '^BenchmarkMemory$$' -benchtime 1x -timeout 2h ./cmd/pgrescue

fuzz: ## every fuzz target in turn; FUZZTIME=10m sets how long each runs
	@bash .ci/fuzz $(FUZZTIME)

incident: postgresql ## make the demo's evidence anew from a real server
	$(RUN) ./cmd/internal/incident

build: ## a static binary in bin/
	CGO_ENABLED=0 $(GO) build $(REVISION) -trimpath -o bin/pgrescue ./cmd/pgrescue

check: format-check vet staticcheck vulncheck race ## everything that .ci/run checks

format-check:
	@unformatted="$$($(RUN) $(GOFUMPT) -l cmd importers logparse recover testdata)"; \
	if [ -n "$$unformatted" ]; then echo "not formatted with gofumpt:"; echo "$$unformatted"; exit 1; fi

vet:
	$(GO) vet ./...

staticcheck:
	$(RUN) $(STATICCHECK) ./...

vulncheck:
	@bash .ci/vulncheck '$(RUN) $(GOVULNCHECK)'

postgresql:
	@bash .ci/install postgresql postgis servers archivers redis

compiler:
	@bash .ci/install compiler

clean:
	rm -rf bin
