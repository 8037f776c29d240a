# The commands of the project. CI and the README use these and no others.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

# dev: quick to build; our own code and the arithmetic of others are optimised in it all the same.
# release: what is deployed; its link-time optimisation takes minutes.
PROFILE ?= dev
CARGO_TARGET_DIR ?= target
export CARGO_TARGET_DIR := $(abspath $(CARGO_TARGET_DIR))
# rustup's folder is on the path only in shells started after its installation.
export PATH := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin:$(PATH)

# Whatever is built, the whole workspace is selected: it decides which features of other crates are
# compiled, so every goal uses what another has compiled.
BUILD = cargo build --profile $(PROFILE) --workspace
BIN = $(CARGO_TARGET_DIR)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
PYTHON := $(CARGO_TARGET_DIR)/venv/bin/python
SHELL_SCRIPTS := .ci/run $(wildcard scripts/*.sh bench/*.sh models/training/*.sh)

export DEMO_TEXT ?= Здравствуйте! Меня зовут Анна, и я говорю то, что вы напишете. Губы смыкаются на буквах п, б и м, округляются на о и у. Эту речь рисуют две нейросети сразу: одна начинает, другая продолжает, а шва между ними не видно. And now a few words in English, just for fun. Спасибо за внимание!

.PHONY: help setup build demo serve test lint bench bench-gpu demo-pair-table layers functions image gallery

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo 'PROFILE=release builds, renders and serves as deployed.'

setup: ## install what is missing (scripts/setup.sh says what it does)
	@scripts/setup.sh

build: ## build all programs
	@scripts/setup.sh packages toolchain venv onnxruntime
	$(BUILD) --bins

demo: ## render out/demo.mp4: some words of Russian and English, both models
	@scripts/setup.sh packages toolchain venv onnxruntime
	$(BUILD) --bin duolip --bin duolip-x264
	@mkdir -p out
	$(BIN)/duolip render --text "$$DEMO_TEXT" --language ru --num-workers 2 --output out/demo.mp4

serve: ## serve http://localhost:3000
	@scripts/setup.sh packages toolchain venv onnxruntime
	$(BUILD) --bin duolip-http --bin duolip-x264
	$(BIN)/duolip-http

# The binaries first: tests of the public surfaces start them.
test: ## every test: Rust's, the examples in the documentation, Python's
	@scripts/setup.sh
	cargo build --workspace --bins
	INSTA_UPDATE=no cargo nextest run --workspace
	cargo test --workspace --doc
	$(PYTHON) -m pytest tests/python

lint: ## formatting, clippy, documentation, licences, shell scripts, template.yaml, Dockerfile.gpu; any warning fails
	@scripts/setup.sh packages toolchain deploy
	cargo metadata --locked --format-version 1 > /dev/null
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked
	shellcheck $(SHELL_SCRIPTS)
	$(CARGO_TARGET_DIR)/tools/bin/cfn-lint template.yaml
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=eu-central-1 $(CARGO_TARGET_DIR)/tools/bin/sam validate --lint --template template.yaml
	$(CARGO_TARGET_DIR)/tools/bin/hadolint Dockerfile.gpu
	@if cargo deny --version > /dev/null 2>&1; then \
	    cargo deny --locked check bans licenses sources; \
	else \
	    echo 'lint: cargo-deny is not installed, so licences and sources went unchecked (scripts/setup.sh deny)'; \
	fi

# What is measured is the release, unless another PROFILE is asked for. BENCH=quick shows in two
# minutes that everything works.
BENCH ?= full

bench: PROFILE := $(if $(filter file,$(origin PROFILE)),release,$(PROFILE))
bench: ## measure against the usual design in Python: bench/results, in an hour on two cores
	@scripts/setup.sh packages toolchain onnxruntime bench
	$(BUILD) --bin duolip --bin duolip-http --bin duolip-x264
	PYTHONPATH=bench:models/training $(CARGO_TARGET_DIR)/bench-venv/bin/python -m compare \
	    --programs $(BIN) --size $(BENCH)

# scripts/bench-gpu.sh says what belongs into the folder that DUOLIP_GPU_LIBRARIES names.
bench-gpu: ## measure lip-sync and a render on a GPU
	cargo build --profile release --workspace --bin duolip --bin duolip-x264
	scripts/bench-gpu.sh $(CARGO_TARGET_DIR)/release/duolip

# The pair that is measured; the page is about the one in models/demo.
PAIR ?= models/demo

demo-pair-table: ## measure the demo pair in rendered videos: docs/demo-pair.md
	@scripts/setup.sh packages toolchain venv training onnxruntime
	$(BUILD) --bin duolip --bin duolip-x264
	DUOLIP_BIN=$(BIN)/duolip PYTHONPATH=models/training \
	    $(PYTHON) -m demo_pair.evaluate --pair $(PAIR) --output docs/demo-pair.md

layers: ## make the Lambda layers of template.yaml: target/layers
	@scripts/setup.sh packages toolchain venv onnxruntime
	cargo build --profile release --workspace --bin duolip-x264
	scripts/layers.sh

functions: ## build the Lambda functions of template.yaml with SAM: target/functions
	@scripts/setup.sh packages toolchain venv zig
	PATH="$(CARGO_TARGET_DIR)/tools/bin:$$PATH:$(CARGO_TARGET_DIR)/venv/bin" SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=eu-central-1 \
	    sam build --template template.yaml --build-dir $(CARGO_TARGET_DIR)/functions

# What is deployed is the release, unless another PROFILE is asked for. scripts/image.sh says what else
# can be set; without Docker it is run as root.
image: ## build the image of Dockerfile.gpu, and render a video in it
	$(if $(filter file,$(origin PROFILE)),,PROFILE=$(PROFILE)) scripts/image.sh

gallery: ## render the README's gallery: docs/gallery.webp
	@scripts/setup.sh packages toolchain venv onnxruntime
	$(BUILD) --bin duolip --bin duolip-x264
	scripts/gallery.sh $(BIN)/duolip docs/gallery.webp
