# Every target works on a clean clone with Go, make and git. `make help` lists them.

GO       ?= go
BUILD    := build
HOSTARCH := $(shell $(GO) env GOARCH)
OTHER    := $(if $(filter arm64,$(HOSTARCH)),amd64,arm64)
PEERS    := $(CURDIR)/$(BUILD)/peers
IMAGES   := $(CURDIR)/$(BUILD)/images
TOOLS    := $(CURDIR)/$(BUILD)/tools
FUZZTIME ?= 30s

# Parts of syft's dependencies that hallmark has no use for: gRPC by Google's direct path, and traces of gRPC as web pages.
# They are a seventh of the program and a part of its start-up (see docs/dependencies.md).
TAGS     := -tags disable_grpc_modules,grpcnotrace

# Targets that fuzz, as package:function. sbom:FuzzLayers runs its seeds in `make test` only: the
# fuzzing engine instruments syft, and gets nowhere.
FUZZERS := ./bundle:FuzzParse ./bundle:FuzzStatement ./bundle:FuzzMembers ./bundle:FuzzSimpleSigning ./bundle:FuzzParseCertificate ./bundle:FuzzParseReference ./bundle:FuzzParseReader \
	./oci:FuzzParseReference ./oci:FuzzParseManifest ./oci:FuzzParseListDocument ./oci:FuzzNextLink \
	./trust:FuzzParseKey ./trust:FuzzVerifyInclusion ./trust:FuzzParseInstances ./sign:FuzzParsePrivateKey ./oidc:FuzzParse \
	./policy:FuzzParse ./pack:FuzzRead ./internal/render:FuzzVisible \
	./inventory:FuzzParse ./inventory:FuzzLicence ./inventory:FuzzParsePattern ./inventory:FuzzParsePURL ./inventory:FuzzCompareVersions ./workload:FuzzFind ./provenance:FuzzParseMetadata ./internal/settings:FuzzParse ./internal/cache:FuzzParseHeader ./internal/render:FuzzLineHead ./internal/cli:FuzzCheckRecalled

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build build/hallmark
	CGO_ENABLED=0 $(GO) build $(TAGS) -ldflags "-s -w" -o $(BUILD)/hallmark ./cmd/hallmark

.PHONY: sandbox
sandbox: ## Build build/hallmark-sandbox, a private Sigstore for tests and demos
	cd sandbox && $(GO) build -ldflags "-s -w" -o ../$(BUILD)/hallmark-sandbox .

.PHONY: keyless
keyless: build sandbox ## See an image released and verified without a key, with a Sigstore on this machine
	$(GO) build $(TAGS) -o $(BUILD)/quickstart-stage ./internal/quickstart
	./examples/keyless/run.sh

.PHONY: audit
audit: build sandbox ## See an image audited: two signers, a policy, what goes wrong, a report and an evidence pack
	$(GO) build $(TAGS) -o $(BUILD)/quickstart-stage ./internal/quickstart
	./examples/audit/run.sh $(BUILD)/audit

.PHONY: quickstart
quickstart: build ## Build hallmark and see it release, verify and reject on an OCI layout
	CGO_ENABLED=0 GOOS=linux GOARCH=$(OTHER) $(GO) build $(TAGS) -ldflags "-s -w" -o $(BUILD)/hallmark-linux-$(OTHER) ./cmd/hallmark
	$(GO) build $(TAGS) -o $(BUILD)/quickstart-stage ./internal/quickstart
	./examples/quickstart/run.sh

.PHONY: test
test: ## Run the tests (Go, make and git are enough)
	$(GO) vet $(TAGS) ./...
	$(GO) test $(TAGS) -timeout 14m ./...
	cd examples/library && $(GO) test ./...

.PHONY: images
images: ## Build the real test images from Debian packages (root; see test/images/README.md)
	./test/images/build.sh $(IMAGES)

.PHONY: peers
peers: ## Build the peers that are tested against: cosign, gh, act, the distribution registry and Debian's
	./test/interop/peers.sh $(PEERS)

.PHONY: interop
interop: quickstart sandbox peers images ## Run against cosign, a distribution registry, a private Sigstore and real images
	cd sandbox && $(GO) vet ./... && $(GO) test -timeout 10m ./...
	cd test/interop && HALLMARK=$(CURDIR)/$(BUILD)/hallmark HALLMARK_SANDBOX_BINARY=$(CURDIR)/$(BUILD)/hallmark-sandbox \
		HALLMARK_PEERS=$(PEERS) HALLMARK_IMAGES=$(IMAGES) \
		$(GO) test -count=1 -v -timeout 30m ./...

.PHONY: test-action
test-action: build sandbox peers images ## Play GitHub's runner for the action: release, verify, hostile inputs, installer
	cd test/action && $(GO) vet ./... && HALLMARK=$(CURDIR)/$(BUILD)/hallmark HALLMARK_SANDBOX_BINARY=$(CURDIR)/$(BUILD)/hallmark-sandbox \
		HALLMARK_PEERS=$(PEERS) HALLMARK_IMAGES=$(IMAGES) $(GO) test -count=1 -timeout 15m ./...

.PHONY: chaos
chaos: build sandbox peers ## Run release, verify, copy, attest and prune against faults, kill -9 and each other (RUNS=200 for the table)
	HALLMARK=$(CURDIR)/$(BUILD)/hallmark HALLMARK_SANDBOX_BINARY=$(CURDIR)/$(BUILD)/hallmark-sandbox HALLMARK_PEERS=$(PEERS) \
		$(GO) test $(TAGS) -count=1 -v -timeout 40m ./test/chaos

.PHONY: bench
bench: build peers images ## Write docs/benchmarks.md: our figures beside the peers', measured in the same run (RUNS=5, ONLY=REGEXP; SIZES=1: memory of large things, 15 GB of disk)
	HALLMARK=$(CURDIR)/$(BUILD)/hallmark HALLMARK_PEERS=$(PEERS) HALLMARK_IMAGES=$(IMAGES) $(GO) run ./test/bench $(if $(RUNS),-runs $(RUNS)) $(if $(ONLY),-only '$(ONLY)')
	$(if $(SIZES),HALLMARK=$(CURDIR)/$(BUILD)/hallmark HALLMARK_PEERS=$(PEERS) $(GO) run ./test/bench/sizes)
	$(GO) test -run '^$$' -bench . -benchmem ./bundle ./inventory ./oci ./sbom ./transfer ./verify ./internal/cache ./internal/render

.PHONY: lint
lint: $(TOOLS)/golangci-lint $(TOOLS)/actionlint ## Run the linters
	$(TOOLS)/golangci-lint run ./...
	cd sandbox && $(TOOLS)/golangci-lint run ./...
	cd test/action && $(TOOLS)/golangci-lint run ./...
	$(TOOLS)/actionlint .github/workflows/*.yml examples/github/*.yml
	./test/lint.sh

.PHONY: vuln
vuln: ## Look for known vulnerabilities in what is called (needs the network)
	$(GO) run golang.org/x/vuln/cmd/govulncheck@v1.1.4 ./...

.PHONY: fuzz
fuzz: ## Fuzz every parser for FUZZTIME each
	@set -e; for f in $(FUZZERS); do echo "== $$f"; \
		$(GO) test -run '^$$' -fuzz "^$${f#*:}$$" -fuzztime $(FUZZTIME) "$${f%%:*}"; done

.PHONY: mutants
mutants: ## Take every rule out, one at a time, and want a test to fail
	$(GO) run $(TAGS) ./test/mutants

.PHONY: golden
golden: ## Write generated files anew: the CLI reference and golden files
	$(GO) test ./internal/cli -run 'TestReference|TestEnvironment|TestScripts' -update
	$(GO) test ./internal/render -run TestGolden -update
	$(GO) test ./policy -run TestSchema -update

.PHONY: image
image: build ## Build the container image of hallmark with its SBOMs, provenance and signature into build/image
	./internal/image/release.sh $(BUILD)

.PHONY: man
man: ## Write the manual pages into build/man
	$(GO) run ./internal/man $(BUILD)/man

.PHONY: clean
clean: ## Remove what was built
	rm -rf $(BUILD)

$(TOOLS)/golangci-lint: Makefile
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

$(TOOLS)/actionlint: Makefile
	GOBIN=$(TOOLS) $(GO) install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
