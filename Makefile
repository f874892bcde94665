# Everything is installed into .venv, at the versions in constraints.txt; each target sets up what it needs.
# PYTHON=/path/to/python chooses the Python (3.11 or later), ARGS="..." is passed on.

BIN := .venv/bin
INSTALL := scripts/uv pip install --quiet --python $(BIN)/python -c constraints.txt --build-constraints constraints.txt

# A Python that was upgraded away leaves .venv behind without one: then all is installed anew.
$(shell test -x $(BIN)/python || rm -f .venv/installed*)

.PHONY: help
help: ## print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: .venv/installed ## work through a real list, be killed in the middle, go on (under a minute)
	@$(BIN)/python examples/demo/demo.py $(ARGS)

.PHONY: test
test: .venv/installed-dev ## run all tests; ARGS="tests/ledger -x" runs some
	@$(BIN)/python -m pytest $(ARGS)

.PHONY: test-faults
test-faults: .venv/installed-dev ## a hundred rounds of faults on real servers and stores (an hour); writes the page on them
	@$(BIN)/python tests/faults/campaign.py --rounds 100 --report docs/reference/faults.md $(ARGS)

.PHONY: cluster
cluster: .venv/installed-dev ## bring up a Kubernetes for the tests, or use that of KUBECONFIG
	@$(BIN)/python tests/cluster/cluster.py up

.PHONY: cluster-down
cluster-down: .venv/installed-dev ## take it away, with all that it left
	@$(BIN)/python tests/cluster/cluster.py down

.PHONY: test-cluster
test-cluster: .venv/installed-dev ## run the tests that take a cluster, and bring it up for them
	@exported=$$($(BIN)/python tests/cluster/cluster.py up) && eval "$$exported" && \
		$(BIN)/python -m pytest tests/cluster $(ARGS)

.PHONY: check
check: .venv/installed-dev ## lint, format, types, layers, lengths, changelog
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python tests/house/lengths.py
	@$(BIN)/towncrier build --draft >/dev/null 2>&1 || $(BIN)/towncrier build --draft

.PHONY: format
format: .venv/installed-dev ## format the code and mend what ruff can mend
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

.PHONY: bench
bench: .venv/installed-bench ## measure, beside the peers that this machine has
	@$(BIN)/python -m benchmarks $(ARGS)

.PHONY: bench-cluster
bench-cluster: .venv/installed-dev ## the same on a cluster, beside Indexed Jobs; writes the page on it
	@exported=$$($(BIN)/python tests/cluster/cluster.py up) && eval "$$exported" && \
		$(BIN)/python benchmarks/on_cluster --report docs/reference/kubernetes-benchmarks.md $(ARGS)

.PHONY: fuzz
fuzz: .venv/installed-dev .venv/installed-fuzz ## give parsers and a server anything; ARGS="--seconds 3600" does it longer
	@$(BIN)/python tests/fuzz/fuzz_parsers.py $(ARGS)
	@$(BIN)/python tests/fuzz/fuzz_api.py $(ARGS)

.PHONY: docs
docs: .venv/installed-docs ## build the docs into docs/_build/html; a warning is an error
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

.PHONY: install
install: .venv/installed ## leave a working .venv/bin/teamtask
	@echo "$(BIN)/teamtask"

.PHONY: lock
lock: .venv/installed-dev ## write constraints.txt anew from pyproject.toml; ARGS=--upgrade takes newer versions
	scripts/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command "make lock" --group dev --group docs --group bench --group fuzz --group build $(ARGS) pyproject.toml -o constraints.txt

.PHONY: clean
clean: ## remove everything that make has made
	rm -rf .venv .cluster build dist docs/_build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .fuzz

# What is installed, as files: a target after another has nothing left to do.
.venv/installed: pyproject.toml constraints.txt scripts/make-venv
	@scripts/make-venv
	@$(INSTALL) -e .
	@touch $@

.venv/installed-%: .venv/installed
	@$(INSTALL) --group $*
	@touch $@
