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

# Where the time goes, which the compiler takes into account: 4 to 8 % less of it.
BIN ?= bin
PROFILE := $(CURDIR)/tools/release.pgo

# Where there is assembly, other processors have other lines of it, or none.
OTHER_ARCHITECTURES := arm64 riscv64

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: demo
demo: ## the whole of it in one process, with nothing to install (ARGS="--help")
	@echo "building first: about two minutes on a fresh machine, seconds from then on"
	go run ./cmd/scanhound demo $(ARGS)

.PHONY: build
build: ## the programs into bin/ (BIN=folder), static, stamped by Go with the commit, along the profile
	CGO_ENABLED=0 go build -trimpath -buildvcs=auto -pgo=$(PROFILE) -o $(BIN)/ ./cmd/...

.PHONY: notices
notices: build ## of what is in the programs: NOTICE with every licence, sbom.cdx.json (CycloneDX), into bin/
	cd deploy && go run ./notices -o $(abspath $(BIN)) $(abspath $(BIN))/{alerter,detector,ingest,scanhound}

.PHONY: packages
packages: notices ## a deb and an rpm with the programs, systemd units, manual and settings, into bin/
	cd deploy && go run ./packages -bin $(abspath $(BIN)) -o $(abspath $(BIN))

.PHONY: image
image: ## one container image with all programs, scanhound:dev (docker)
	docker build -t scanhound:dev -f deploy/image/Dockerfile .

.PHONY: profile
profile: ## measure anew where the programs spend their time, for the compiler
	tools/profile.sh

.PHONY: test
test: ## every test under -race, the broker suite against an Apache Kafka too (TESTFLAGS="-run X")
	tools/test.sh $(TESTFLAGS)

.PHONY: test-k8s
test-k8s: ## the manifests on a real Kubernetes API with KEDA, Kafka, NATS; the first time builds for half an hour (root)
	deploy/cluster/build.sh
	cd deploy && go test -c -o $(CURDIR)/.cache/k8s/cluster.test ./cluster
	cd deploy/cluster && SCANHOUND_K8S=$(CURDIR)/.cache/k8s unshare --net --mount --pid --fork --mount-proc --kill-child \
		$(CURDIR)/.cache/k8s/cluster.test -test.v -test.timeout 30m $(TESTFLAGS)

.PHONY: test-packages
test-packages: ## the deb under a systemd of its own, in a container (root; debootstrap, systemd-container)
	test -d .cache/debian || { mkdir -p .cache && debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus bookworm .cache/debian.new && mv .cache/debian.new .cache/debian; }
	cd deploy && SCANHOUND_DEBIAN=$(CURDIR)/.cache/debian go test -count=1 -v ./packages $(TESTFLAGS)

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
	@cd deploy && go mod tidy -diff

.PHONY: check-build
check-build:
	@echo "== go build"
	@go build ./...
	@for arch in $(OTHER_ARCHITECTURES); do GOARCH=$$arch go vet ./detect/internal/prefetch || exit 1; GOARCH=$$arch go build ./detect || exit 1; done

.PHONY: check-vet
check-vet:
	@echo "== go vet"
	@go vet ./...
	@cd deploy && go vet ./...

.PHONY: check-lint
check-lint:
	@echo "== staticcheck"
	@go run $(STATICCHECK) ./...
	@cd deploy && go run $(STATICCHECK) ./...

.PHONY: check-rules
check-rules:
	@echo "== the house rules"
	@go test -count=1 .

.PHONY: check-shell
check-shell:
	@echo "== bash -n and shellcheck"
	@tools/check-shell.sh

.PHONY: chaos
chaos: ## detectors, alerter and broker under random faults, against an oracle (SEEDS=100, SEED=17 repeats one, BROKER=address of kafka-up)
	go test -count=1 -timeout 2h -parallel $(or $(PARALLEL),6) -v -run WhateverFails ./cmd -args -seed $(or $(SEED),1) -seeds $(or $(SEEDS),$(if $(SEED),1,20)) -broker '$(BROKER)'

.PHONY: bench
bench: ## every benchmark: flows/s, ns, allocations and bytes (BENCH=regexp, COUNT=10 for benchstat)
	go test -run '^$$' -bench '$(BENCH)' -pgo=$(PROFILE) -benchmem -count $(COUNT) $(TESTFLAGS) ./...

.PHONY: bench-restore
bench-restore: ## the state of 200 thousand, 1 and 5 million sources from Kafka: seconds, memory (BENCH=sources=1000000)
	go test -run '^$$' -bench 'Restore/$(BENCH)' -benchtime 1x $(TESTFLAGS) ./cmd/internal/detector

.PHONY: bench-peers
bench-peers: ## ingest beside goflow2 and nfcapd, replay beside DuckDB and nfdump: CPU, rate, memory (ARGS="-quick", "-detectors")
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
