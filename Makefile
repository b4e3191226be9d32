# Every command a contributor needs; `make` lists them.

GO       ?= go
FUZZTIME ?= 10s

# Packages whose tests run a second time under the race detector: those that
# share memory between requests. It makes tests several times slower, so it is
# not for all.
RACE := $(foreach room,access credential store,\
	$(if $(wildcard internal/$(room)/*_test.go),./internal/$(room)))

.DEFAULT_GOAL := help
.PHONY: help run build check test bench bench-data soak fuzz pictures cover package clean format lint unit dependencies suites

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

run: build ## build and start a server to try things on
	./bin/sallyport serve --dev

build: ## build bin/sallyport
	$(GO) build -o bin/sallyport ./cmd/sallyport

check: ## quick: formatting, vet, staticcheck, tests on SQLite alone
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint unit

test: dependencies lint ## everything: both databases, race detector; installs what is missing
	$(GO) run ./scripts/withpg -- $(MAKE) --no-print-directory suites

bench: ## run the benchmarks
	./scripts/bench.sh

bench-data: ## lists and checks at 1 % and at SHARE (10) % of 10,000,000 events and 1,000,000 tokens
	$(GO) run ./scripts/benchdata -share $(or $(SHARE),10)

soak: ## the experiments of docs/reliability.md for hours: ROUNDS (200) of each kind
	SALLYPORT_SOAK=$(or $(ROUNDS),200) $(GO) test ./internal/server -run 'TestR[0-9]|TestNothingLost' -v -timeout 24h

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

# Run by `test` after lint, beside a PostgreSQL that the packages share, in the
# order of unit. The model of leases shares no memory: the race detector would only make its millions of states slow.
suites:
	$(GO) test -timeout 20m -vet=off ./internal/server ./...
	$(if $(RACE),$(GO) test -race -timeout 20m -vet=off -skip LeaseModel $(RACE))
