# Every command a contributor needs; `make` lists them.

GO       ?= go
FUZZTIME ?= 10s

# Packages whose tests run under the race detector: those that share memory
# between requests. It makes tests several times slower, so it is not for all.
RACE := ./internal/access ./internal/credential ./internal/store

# Tests of theirs that run without it: those in which one goroutine goes through
# very much, and those that count what a function allocates, as it is for users.
UNRACED := LeaseModel|Allocate|BytesOf|TenThousandTokens|EntriesStay|AScan|Exposed|Unique

.DEFAULT_GOAL := help
.PHONY: help run build check test bench bench-data soak fuzz pictures cover package clean format lint unit dependencies suites served raced others

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

run: build ## build and start a server to try things on
	./bin/sallyport serve --dev

build: ## build bin/sallyport
	$(GO) build -o bin/sallyport ./cmd/sallyport

check: ## quick: formatting, vet, staticcheck, tests on SQLite alone
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint unit

test: ## everything: both databases, race detector; installs what is missing
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target dependencies lint
	$(GO) run ./scripts/withpg -- $(MAKE) --no-print-directory --jobs=3 --keep-going suites

bench: ## run the benchmarks
	./scripts/bench.sh

bench-data: ## lists and checks at 1 % and at SHARE (10) % of 10,000,000 events and 1,000,000 tokens
	$(GO) run ./scripts/benchdata -share $(or $(SHARE),10)

soak: ## the experiments of docs/reliability.md for hours: ROUNDS (200) of each kind
	SALLYPORT_SOAK=$(or $(ROUNDS),200) $(GO) test ./internal/server -run 'TestR[0-9]|TestNothingLost|TestOrderlyStop|TestDOS04' -v -timeout 24h

fuzz: ## fuzz every target for FUZZTIME (10s)
	./scripts/fuzz.sh $(FUZZTIME)

cover: ## test coverage on SQLite: summary, and bin/cover.html
	@mkdir -p bin
	$(GO) test -short -coverpkg=./... -coverprofile=bin/cover.out ./...
	$(GO) tool cover -html=bin/cover.out -o bin/cover.html
	@$(GO) tool cover -func=bin/cover.out | tail -n 1

package: ## Debian package bin/sallyport_VERSION_ARCH.deb; VERSION=1.2.3
	./packaging/package.sh "$(VERSION)"

pictures: ## make the pictures of the manual anew, in docs/pictures
	@mkdir -p docs/pictures
	SALLYPORT_MANUAL_PICTURES=$(CURDIR)/docs/pictures $(GO) test ./internal/server -count 1 -run 'TestJourneys/scripts'

clean: ## remove what was built
	rm -rf bin

format: ## format all Go files
	$(GO) tool gofumpt -w .

lint:
	@unformatted=$$($(GO) tool gofumpt -l .); if [ -n "$$unformatted" ]; then \
		echo "not formatted, run 'make format':"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

# Run by `check`, beside lint, whose vet is that of the whole: what either waits
# for, the other uses. The server's tests begin first: they take longest, most of
# it waiting, and the others fit beside them.
unit:
	$(GO) test -short -vet=off ./internal/server ./...

dependencies:
	./scripts/install-deps.sh

# Run by `test` after lint, beside a PostgreSQL that the packages share: the
# server's tests, which wait most of the time, and two others beside them.
suites: served raced others

served:
	$(GO) test -timeout 20m -vet=off -parallel 4 ./internal/server

others:
	$(GO) test -p 2 -timeout 20m -vet=off $$($(GO) list ./... | grep -v $(patsubst .%,-e '%$$',$(RACE)) -e /internal/server$$)

raced:
	$(GO) test -p 1 -race -timeout 20m -vet=off -skip '$(UNRACED)' $(RACE)
	$(GO) test -p 1 -timeout 20m -vet=off -run '$(UNRACED)' $(RACE)
