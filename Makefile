# The newest Python is not always the one that the dependencies have wheels for, so oldest first.
PYTHONS = python3.11 python3.12 python3.13 python3.14 python3
# One of your choice, as in make check PYTHON=python3.13, gets an environment of its own. pyenv has
# a command for each Python that it has installed, but most of them only say how to choose it.
PYTHON =
CHOSEN = $(PYTHON) $(wildcard $(HOME)/.pyenv/versions/*/bin/$(PYTHON))
VENV = .venv$(if $(PYTHON),-$(notdir $(PYTHON)))
PYTEST_ARGS =
# How many batches of 72 MB the smallest input has; the largest has 16 times as many.
BENCH_UNIT = 5
BENCH_ROUNDS = 3
# On which size, 1, 4 or 16, peers are run that take minutes: on the largest, a quarter of an hour.
BENCH_PEERS = 16
# How many tiny batches the runs have that show how cost grows.
BENCH_CURVES = 1000 10000 100000
# How many tiny batches the runs have whose jobs count from 1.
BENCH_OWN = 2000 10000
# How many random screens are loaded, the first seed (a random one if empty), and by how many
# processes.
FUZZ_CASES = 500
FUZZ_SEED =
FUZZ_PROCESSES = 2
# How many random days of a cluster are lived, and the first seed (a random one if empty).
DAYS = 50
DAYS_SEED =
# Which faults are tried, as in make faults FAULTS='sqlite:enospc parquet clock' (all if empty), and
# for how many minutes.
FAULTS =
FAULTS_MINUTES = 55

RUNS = -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
# Tests wait for servers, schedulers and disks: two more at once than CI has cores.
PYTEST = $(VENV)/bin/pytest -n 4 --dist worksteal $(PYTEST_ARGS)

# Tests start thousands of processes. Each would compile the package for itself where this is set.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL = help
.PHONY: help venv schedulers servers r browser demo test test-mysql check lowest release-check man coverage docs \
	docs-refresh conformance clients bench bench-curves bench-million fuzz days faults clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "PYTEST_ARGS='-k naming' and the like go to pytest, wherever it runs"

venv: $(VENV)/.ready  ## make .venv, with everything to run and to test; at once when it is there

schedulers:  ## install Slurm and Grid Engine from Debian if root, for the tests that use them
	@sh tests/install_schedulers.sh

servers:  ## install MariaDB from Debian if root, for the tests that use it
	@sh tests/install_servers.sh

r:  ## install R and sqlite3 from Debian if root, for the tests of the documents
	@sh tests/install_r.sh

browser:  ## install Chromium from Debian if root, for the tests that open reports
	@sh tests/install_browser.sh

demo: venv  ## run the commands of the README on the small run in examples/
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" sh examples/demo.sh

test: venv schedulers servers r browser  ## run the tests; as root this installs packages of Debian
	$(PYTEST)

test-mysql: venv  ## run the tests that need Oracle's MySQL, got from Debian's next suite if it can be
	@sh tests/fetch_mysql.sh
	$(PYTEST) -m mysql

check: venv schedulers servers r browser  ## all that a change has to pass: style, types, imports, tests
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/codespell
	$(PYTEST)

# What depends most on the versions of packages; the whole of the tests takes four times as long.
LOWEST = tests/unit tests/sources/test_source_contract.py tests/sinks/test_sink_contract.py \
	tests/sinks/test_duckdb.py tests/sinks/test_parquet.py tests/commands/test_command_line.py \
	tests/commands/test_read.py

lowest: .venv-lowest/.ready servers  ## test the oldest versions of packages that pyproject.toml allows
	.venv-lowest/bin/pytest -n 4 $(or $(PYTEST_ARGS),$(LOWEST))

release-check: venv  ## build sdist and wheel, and run the demo from the wheel in an empty environment
	sh tests/release_check.sh $(VENV)/bin/python

man: venv  ## write the man page, and the help screens that tests compare, from the program
	PYTHONPATH=tests $(VENV)/bin/python -m support.help_screens

docs: $(VENV)/.docs  ## build the documents into build/site; fetches packages only the first time
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --quiet --strict
	@echo "open build/site/index.html; to search it, too: python3 -m http.server -d build/site"

docs-refresh: venv schedulers servers r browser  ## write what commands print now into the documents
	CPEXPORT_DOCS=refresh $(VENV)/bin/pytest tests/docs/test_pages.py tests/docs/test_pictures.py $(PYTEST_ARGS)

conformance: venv  ## run plans, and the module, by the real CellProfiler 4 or 5 on the PATH
	CPEXPORT_CONFORMANCE=1 $(VENV)/bin/pytest tests/conformance $(PYTEST_ARGS)

clients: .venv-clients/.ready  ## let CytoTable and pycytominer read what was loaded; 1 GB in .venv-clients
	.venv-clients/bin/pytest tests/clients tests/sinks/test_parquet.py \
		tests/docs/test_pages.py::'test_a_page_does_what_it_shows[docs/how-to/pycytominer.md]' \
		$(PYTEST_ARGS)

bench: .venv-bench/.ready servers  ## measure how fast it is, beside floors and peers; 15 GB in build/bench
	-@$(MAKE) --no-print-directory .venv-clients/.ready
	@PYTHONPATH=tests .venv-bench/bin/python -m bench \
		--unit $(BENCH_UNIT) --rounds $(BENCH_ROUNDS) --peers $(BENCH_PEERS)
	@PYTHONPATH=tests .venv-bench/bin/python -m bench.queries
	@PYTHONPATH=tests .venv-bench/bin/python -m bench.own_numbers $(BENCH_OWN)
	@PYTHONPATH=tests .venv-bench/bin/python -m bench.curves $(BENCH_CURVES)

bench-curves: .venv-bench/.ready servers  ## measure only how cost grows with the number of batches
	PYTHONPATH=tests .venv-bench/bin/python -m bench.curves $(BENCH_CURVES)

bench-million: .venv-bench/.ready servers  ## the same for a million batches; 15 GB and many hours
	PYTHONPATH=tests .venv-bench/bin/python -m bench.curves 1000000

fuzz: venv servers  ## load FUZZ_CASES random screens every way, and compare with an oracle
	PYTHONPATH=tests $(VENV)/bin/python -m fuzz --cases $(FUZZ_CASES) --processes $(FUZZ_PROCESSES) \
		$(if $(FUZZ_SEED),--seed $(FUZZ_SEED))

coverage: venv schedulers servers r browser  ## which branches the tests take; twice the time of make test
	rm -rf build/coverage
	mkdir -p build/coverage
	-$(VENV)/bin/coverage run -m pytest -n 4 --dist worksteal $(PYTEST_ARGS)
	$(VENV)/bin/coverage combine --quiet
	$(VENV)/bin/coverage report
	$(VENV)/bin/coverage html --directory build/coverage/html --quiet

days: venv  ## live DAYS random days of a cluster, and compare with an oracle; root meets full disks
	PYTHONPATH=tests $(VENV)/bin/python -m days --days $(DAYS) $(if $(DAYS_SEED),--seed $(DAYS_SEED))

faults: venv servers  ## inject every kind of fault into loads for all destinations; root does more
	PYTHONPATH=tests $(VENV)/bin/python -m faults --minutes $(FAULTS_MINUTES) $(FAULTS)

clean:  ## remove .venv and whatever the tools left
	rm -rf .venv .venv-* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist
	find cpexport tests -name __pycache__ -type d -prune -exec rm -rf {} +

# What is installed besides the project. The clients bring a thousand megabytes of their own.
$(VENV)/.ready .venv-lowest/.ready: EXTRAS = test
.venv-lowest/.ready: CONSTRAINTS = $(@D)/constraints.txt
.venv-lowest/.ready: tests/lowest_versions.py
.venv-clients/.ready: EXTRAS = test,clients
.venv-bench/.ready: EXTRAS = test,bench

# MkDocs comes into the same environment, as the pages about Python and commands import cpexport.
$(VENV)/.docs: $(VENV)/.ready
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	@touch $@

# A python on the PATH may be a shim of a version manager that only says what it cannot run.
$(VENV)/.ready .venv-lowest/.ready .venv-clients/.ready .venv-bench/.ready: pyproject.toml
	@if ! $(@D)/bin/python $(RUNS); then \
		rm -rf $(@D); \
		for python in $(if $(PYTHON),$(CHOSEN),$(PYTHONS)); do \
			if $$python $(RUNS); then echo "making $(@D) with $$python"; break; fi; \
			python=; \
		done; \
		if [ -z "$$python" ]; then \
			echo "make: none of $(if $(PYTHON),$(CHOSEN),$(PYTHONS)) runs, is 3.11 or newer, and has venv" >&2; exit 1; \
		fi; \
		$$python -m venv $(@D); \
	fi
	@$(if $(CONSTRAINTS),$(@D)/bin/python tests/lowest_versions.py > $(CONSTRAINTS))
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check \
		$(addprefix -c ,$(CONSTRAINTS)) -e '.[$(EXTRAS)]'
	@touch $@
