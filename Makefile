# Two commands are enough: make demo, make test. `make help` lists the others.
# Everything is made inside this folder: .venv, .setup, gateway/ui/node_modules, gateway/ui/dist.
PYTHON ?= python3
BOOTSTRAP = $(PYTHON) -S -I tools/bootstrap.py
RUN = .venv/bin/python
PYTEST = $(RUN) -m pytest
UV_COMPILE = pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate
CHECKS = check-format check-lint check-types check-imports check-ui
ARGS ?=
# Every process would compile the whole program again.
unexport PYTHONDONTWRITEBYTECODE
# On a disk, which /tmp need not be, and with room.
TMPDIR ?= /var/tmp
export TMPDIR

.PHONY: help setup setup-test ui demo check $(CHECKS) format test python-tests node-tests browser-tests bench torture lock clean

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

setup: ## install what Yilian runs on, and build the workstation
	@$(BOOTSTRAP)
	@$(RUN) tools/build_ui.py

demo: setup ## a county with two townships and sample data; options: make demo ARGS="--home DIR"
	@exec $(RUN) -m yilian demo $(ARGS)

ui: ## build the browser workstation
	@$(BOOTSTRAP)
	@$(RUN) tools/build_ui.py

setup-test:
	@$(BOOTSTRAP) --test

# Each goes on where another failed, so that one run tells all.
check: setup-test ## lint, types, import rules, the workstation's types and unit tests
	@$(MAKE) --no-print-directory --keep-going $(CHECKS)

check-format: setup-test
	$(RUN) -m ruff format --check .

check-lint: setup-test
	$(RUN) -m ruff check .

check-types: setup-test
	$(RUN) -m mypy
	$(RUN) -m mypy tools/*.py

check-imports: setup-test
	.venv/bin/lint-imports --no-logo

check-ui: setup-test
	$(RUN) tools/build_ui.py --check

format: setup-test ## put the Python sources into their form
	$(RUN) -m ruff format .
	$(RUN) -m ruff check --fix .

test: ## everything: check, all tests, the browser tests (installs what only tests need)
	@$(BOOTSTRAP) --test
	@$(PYTHON) tools/test_needs.py
	@$(MAKE) --no-print-directory --keep-going --jobs 2 --output-sync $(CHECKS); checked=$$?; \
	$(MAKE) --no-print-directory --keep-going --jobs 3 --output-sync=line \
		python-tests node-tests browser-tests && exit $$checked

python-tests: setup-test
	$(PYTEST) -n 3 --dist worksteal --ignore tests/browser --ignore tests/demo \
		-m "not bench and not torture and not e2e" $(ARGS)

# One after another: a county with two townships is a dozen processes, which all of these share.
node-tests: setup-test
	$(PYTEST) -m "not bench and not torture and not e2e" tests/demo $(ARGS) || [ $$? -eq 5 ]

# Two browsers, each with a county of its own; a file's tests stay together, for they share what the
# file begins with. Exit code 5 is "no such tests".
browser-tests: setup-test ui
	$(PYTEST) -n 2 --dist loadfile --no-loadscope-reorder -m "e2e and not bench and not torture" \
		tests/browser tests/ohif $(ARGS) || [ $$? -eq 5 ]

bench: setup-test ui ## the short form of the speed comparisons
	$(RUN) -m bench $(ARGS)

torture: setup-test ui ## the long fault runs: kills, power cuts, full disks
	$(PYTEST) -m torture --timeout 0 $(ARGS)

lock: ## pin requirements*.in again, with hashes, for every supported Python
	@uv=$$($(BOOTSTRAP) --uv) && \
	"$$uv" $(UV_COMPILE) $(ARGS) requirements.in -o requirements.lock && \
	"$$uv" $(UV_COMPILE) $(ARGS) requirements.in requirements-test.in -c requirements.lock \
		-o requirements-test.lock

clean: ## remove what make made here
	rm -rf .venv .setup gateway/ui/node_modules gateway/ui/dist
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
