# What one does here, one target each; plain `make` lists them. Go and make are enough for all but
# the broker suite against Apache Kafka (a JRE 17+ and mvn) and the race detector (a C compiler).

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

ARGS ?=
TESTFLAGS ?=
FUZZTIME ?= 30s
BENCH ?= .
COUNT ?= 1

# The linter is pinned here and not in go.mod: it is no part of what is built or shipped.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: demo
demo: ## the whole of it in one process, with nothing to install (ARGS="--help")
	go run ./cmd/scanhound demo $(ARGS)

.PHONY: build
build: ## the programs into bin/, static, stamped by Go with the commit
	CGO_ENABLED=0 go build -trimpath -buildvcs=auto -o bin/ ./cmd/...

.PHONY: test
test: ## every test under -race, the broker suite against an Apache Kafka too (TESTFLAGS="-run X")
	tools/test.sh $(TESTFLAGS)

.PHONY: check
check: check-format check-mod check-build check-vet check-lint check-rules check-shell ## all that is checked without running the suite

.PHONY: check-format
check-format:
	@echo "== gofmt"
	@out=$$("$$(go env GOROOT)/bin/gofmt" -l .); \
	if [[ -n $$out ]]; then echo "$$out"; echo "not formatted: run gofmt -w on these"; exit 1; fi

.PHONY: check-mod
check-mod:
	@echo "== go mod tidy -diff"
	@go mod tidy -diff

.PHONY: check-build
check-build:
	@echo "== go build"
	@go build ./...

.PHONY: check-vet
check-vet:
	@echo "== go vet"
	@go vet ./...

.PHONY: check-lint
check-lint:
	@echo "== staticcheck"
	@go run $(STATICCHECK) ./...

.PHONY: check-rules
check-rules:
	@echo "== the house rules"
	@go test -count=1 .

.PHONY: check-shell
check-shell:
	@echo "== bash -n and shellcheck"
	@tools/check-shell.sh

.PHONY: bench
bench: ## every benchmark, with allocations (BENCH=regexp, COUNT=10 for benchstat)
	go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) $(TESTFLAGS) ./...

.PHONY: bench-peers
bench-peers: ## ingest beside goflow2 and nfcapd on loopback: CPU per record, rate before loss (ARGS="-quick")
	go run ./tools/peers $(ARGS)

.PHONY: fuzz
fuzz: ## each fuzz target of every package for FUZZTIME (30s)
	tools/fuzz.sh $(FUZZTIME)

.PHONY: lab
lab: ## real scans between network namespaces, captured and judged (root)
	./lab/lab.sh $(ARGS)

.PHONY: lab-live
lab-live: ## real exporters send live to the programs, in namespaces (root)
	go test -count=1 -v ./lab/live

.PHONY: kafka-up
kafka-up: ## one Apache Kafka broker on loopback; prints its address (KAFKA_PORT=19092)
	@tools/kafka/kafka.sh up

.PHONY: kafka-down
kafka-down: ## stop it and remove its data
	@tools/kafka/kafka.sh down
