# `make` or `make help` lists the targets.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TARGET ?= $(or $(CARGO_TARGET_DIR),target)
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/kestra-iam-operator

# One set of features for whatever is built here, so that nothing is compiled twice.
BUILD := cargo build --locked --workspace
TEST := cargo test --locked --workspace

CARGO_DENY_VERSION := 0.20.2
CARGO_FUZZ_VERSION := 0.13.2
CARGO_MUTANTS_VERSION := 27.1.0
DENY := $(or $(shell command -v cargo-deny),$(CACHE)/tools/bin/cargo-deny)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build operator and IAM server: one program, target/debug/kestra-iam-operator
	@$(BUILD) --bin kestra-iam-operator

.PHONY: demo
demo: ## Show everything on a real Kubernetes until Ctrl-C, each line a fact just checked; ONCE=1 ends after the checks
	@test -x $(TARGET)/debug/testbed-demo || echo "$$FIRST_TIME"
	@$(BUILD) --bin kestra-iam-operator --bin testbed-demo
	@exec $(TARGET)/debug/testbed-demo

define FIRST_TIME
The first time, the operator is compiled (about four minutes on two idle cores), and Kubernetes as well where no binaries
of it are found (about five more). After that the demo takes a minute and a half.
endef
export FIRST_TIME

.PHONY: cluster
cluster: ## Run a real Kubernetes control plane until Ctrl-C, and print its KUBECONFIG
	@$(BUILD) --quiet --bin testbed-cluster
	@exec $(TARGET)/debug/testbed-cluster

.PHONY: test
test: ## Run all tests, on a real Kubernetes (built once, in about five minutes, where none is found)
	@$(TEST)

.PHONY: faults
faults: ## Run the fault matrix of docs/faults.md; FULL=1 at full size, SEED=n repeats the randomness of a run
	@$(TEST) --test faults

.PHONY: soak
soak: ## Run accounts of all shapes under random faults and kills, and judge the end; MINUTES=30 SEED=n ACCOUNTS=200
	@log=$(TARGET)/soak.log; failed=0; \
	$(TEST) --test faults -- --exact soak::soak --nocapture 2>&1 | tee $$log || failed=1; \
	grep '^soak: seed=' $$log || failed=1; exit $$failed

FUZZED := decoders durations names template
SECONDS_EACH ?= 60

.PHONY: fuzz
fuzz: ## Fuzz decoders, durations, names and the Secret template for a minute each (SECONDS_EACH); needs a nightly toolchain
	@if cargo +nightly --version >/dev/null 2>&1; then $(MAKE) --no-print-directory $(addprefix fuzz-,$(FUZZED)); \
	else echo "There is no nightly toolchain: the targets are NOT fuzzed, they ran as property tests in make test."; fi

# Inputs that were found stay in target/; a seed that is worth keeping belongs into hack/fuzz/seeds.
.PHONY: $(addprefix fuzz-,$(FUZZED))
$(addprefix fuzz-,$(FUZZED)): fuzz-%: $(CACHE)/tools/bin/cargo-fuzz
	@mkdir -p $(TARGET)/fuzz/corpus/$* $(TARGET)/fuzz/artifacts
	@PATH="$(CACHE)/tools/bin:$$PATH" cargo +nightly fuzz run --fuzz-dir hack/fuzz --target-dir $(TARGET)/fuzz --sanitizer none $* \
	$(TARGET)/fuzz/corpus/$* hack/fuzz/seeds/$* -- -max_total_time=$(SECONDS_EACH) -print_final_stats=1 \
	-artifact_prefix=$(TARGET)/fuzz/artifacts/ -verbosity=0

.PHONY: mutants
mutants: $(CACHE)/tools/bin/cargo-mutants ## Mutate the planner and run its tests on each mutant (some hours); ARGS="--shard 0/6" for a part
	@PATH="$(CACHE)/tools/bin:$$PATH" hack/mutants.sh $(ARGS)

.PHONY: generate
generate: ## Write crds/ and docs/reference/ anew from the code
	@UPDATE=1 $(TEST) --quiet --test api generated::
	@UPDATE=1 $(TEST) --quiet --test process reference::

.PHONY: lint
lint: format clippy rustdoc deny advisories ## Check format, lints, documentation and dependencies

.PHONY: format
format:
	@cargo fmt --all --check
	@unformatted=$$(gofmt -l hack/kubernetes); test -z "$$unformatted" || { echo "Run gofmt -w $$unformatted"; exit 1; }

.PHONY: clippy
clippy:
	@cargo clippy --locked --workspace --all-targets -- -D warnings

.PHONY: rustdoc
rustdoc:
	@RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items --quiet

.PHONY: deny
deny: $(DENY)
	@$(DENY) --locked check bans licenses sources

# The database of advisories comes from the network; without one, everything else is still checked.
.PHONY: advisories
advisories: $(DENY)
	@if $(DENY) --locked fetch db >/dev/null 2>&1; \
	then $(DENY) --locked check advisories; \
	else echo "The advisory database is out of reach: known vulnerabilities are NOT checked."; fi

$(CACHE)/tools/bin/cargo-deny: TOOL := cargo-deny@$(CARGO_DENY_VERSION)
$(CACHE)/tools/bin/cargo-fuzz: TOOL := cargo-fuzz@$(CARGO_FUZZ_VERSION)
$(CACHE)/tools/bin/cargo-mutants: TOOL := cargo-mutants@$(CARGO_MUTANTS_VERSION)
$(addprefix $(CACHE)/tools/bin/cargo-,deny fuzz mutants):
	@echo "Building $(TOOL), once; some minutes."
	@cargo install --locked --quiet --root $(CACHE)/tools $(TOOL)

.PHONY: clean
clean: ## Remove what was built here; the Kubernetes programs in the user's cache stay
	@cargo clean
