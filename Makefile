# Targets say what they are for after "##"; `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PY := .venv/bin/python
# More options for pytest, such as: make test PYTEST="-k signature"
PYTEST ?=
# More options for the demo, such as: make demo DEMO="--count 20"
DEMO ?=
# The case that `make bench` measures; `python -m bench list` names all.
CASE ?= stages
# How many test files run at a time.
JOBS ?= 2
TEST_SECONDS ?= 900
CONTRACT_SECONDS ?= 900
CHAOS_SECONDS ?= 1500
# More options for the fault suite, such as: make chaos CHAOS="--only kills --json chaos.json"
CHAOS ?=
OCR_PAGES ?= 500
UV ?= uv

.PHONY: help setup test contract chaos ocr demo bench peers selftest doctor lint types format lock wheel clean

help: ## Say what each target does
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | \
		while IFS=$$'\t' read -r name text; do printf '  make %-10s %s\n' "$$name" "$$text"; done

.venv/.installed: requirements.lock pyproject.toml .ci/venv
	@.ci/venv
	@touch $@

# What pip cannot bring; each stamp stands for one `kaipiao setup`.
.venv/.set-up: .venv/.installed workers/cli/packages.py
	@.venv/bin/kaipiao setup --yes
	@touch $@

.venv/.set-up-dev: .venv/.installed workers/cli/packages.py
	@.venv/bin/kaipiao setup --yes --dev
	@touch $@ .venv/.set-up

setup: .venv/.set-up ## Make .venv from the lock file, then bring fonts, FFmpeg and a test key
	@echo "Ready: .venv/bin/kaipiao --help"

test: .venv/.set-up-dev lint types ## Lint, check types, run all tests but those that need Java
	timeout --kill-after=20 $(TEST_SECONDS) $(PY) -m pytest -q -n $(JOBS) --dist loadfile --no-loadscope-reorder \
		-m "not java and not ocr" $(PYTEST)

contract: .venv/.set-up-dev ## Let veraPDF and other Java programs judge our files (needs java and mvn)
	@if command -v java >/dev/null && command -v mvn >/dev/null; then \
		timeout --kill-after=20 $(CONTRACT_SECONDS) $(PY) -m pytest -q -m java $(PYTEST); \
	elif [[ ",$${CI_REQUIRES:-}," == *,java,* ]]; then \
		echo "CI_REQUIRES names java, but java and mvn are not both here." >&2; exit 1; \
	else \
		echo "Not run: java and mvn are not both here (apt-get install default-jdk-headless maven)."; \
	fi

chaos: .venv/.set-up-dev ## Kill, freeze, starve and mislead the pool, and count what was lost (CHAOS="--quick" for less)
	timeout --kill-after=30 $(CHAOS_SECONDS) $(PY) -m tests.chaos $(CHAOS)

ocr: .venv/.set-up-dev ## Let a text recogniser read fields back from pictures (OCR_PAGES=500)
	.venv/bin/pip install -q --require-hashes -r requirements-ocr.lock
	$(PY) -m pytest -q -m ocr tests/ocr
	$(PY) -m bench run images-ocr --count $(OCR_PAGES)

selftest: .venv/.set-up ## Try the GPU path on this machine and write a report
	.venv/bin/kaipiao gpu selftest --out out/gpu

demo: .venv/.set-up ## Render 200 invoices through the pool, let independent readers check each, write a gallery
	$(PY) -m bench demo $(DEMO)

bench: .venv/.set-up ## Measure one case beside a peer in the same run (CASE=stages)
	$(PY) -m bench run $(CASE)

peers: .venv/.installed ## Bring the libraries that the bench measures beside (some need libcairo2-dev and g++)
	.venv/bin/pip install -q --require-hashes -r requirements-bench.lock

doctor: .venv/.installed ## Say what is on this machine, what is not, and what to do about it
	@.venv/bin/kaipiao doctor

lint: .venv/.installed ## Check style
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: .venv/.installed ## Check types
	$(PY) -m mypy

format: .venv/.installed ## Put source files into form
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

lock: ## Resolve dependencies anew into the lock files (needs uv)
	$(UV) pip compile -q pyproject.toml --extra dev --extra postgres --extra s3 --python-version 3.11 --universal \
		--generate-hashes --no-emit-index-url --no-emit-find-links --no-header -o requirements.lock
	$(UV) pip compile -q pyproject.toml --extra gpu -c requirements.lock --python-version 3.11 --python-platform linux \
		--generate-hashes --no-emit-index-url --no-emit-find-links --no-header -o requirements-gpu.lock
	$(UV) pip compile -q pyproject.toml --extra bench -c requirements.lock --python-version 3.11 --universal \
		--generate-hashes --no-emit-index-url --no-emit-find-links --no-header -o requirements-bench.lock
	$(UV) pip compile -q pyproject.toml --extra ocr -c requirements.lock --python-version 3.11 --universal \
		--generate-hashes --no-emit-index-url --no-emit-find-links --no-header -o requirements-ocr.lock

wheel: .venv/.installed ## Build the wheel into dist/
	$(PY) -m build --wheel --no-isolation

clean: ## Remove everything that targets made here
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist out
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
