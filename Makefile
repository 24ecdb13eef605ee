# The newest Python is not always the one that the dependencies have wheels for, so oldest first.
PYTHONS = python3.11 python3.12 python3.13 python3
PYTEST_ARGS =
# How many batches of 72 MB the smallest input has; the largest has 16 times as many.
BENCH_UNIT = 5
BENCH_ROUNDS = 3
# On which size, 1, 4 or 16, peers are run that take minutes: on the largest, a quarter of an hour.
BENCH_PEERS = 16
# How many random screens are loaded, the first seed (a random one if empty), and by how many
# processes.
FUZZ_CASES = 500
FUZZ_SEED =
FUZZ_PROCESSES = 2
# How many random days of a cluster are lived, and the first seed (a random one if empty).
DAYS = 50
DAYS_SEED =

RUNS = -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
# Tests wait for servers, schedulers and disks: two more at once than CI has cores.
PYTEST = .venv/bin/pytest -n 4 --dist worksteal $(PYTEST_ARGS)

# Tests start thousands of processes. Each would compile the package for itself where this is set.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL = help
.PHONY: help venv schedulers servers r demo test test-mysql check man docs docs-refresh conformance clients \
	bench fuzz days clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "PYTEST_ARGS='-k naming' and the like go to pytest, wherever it runs"

venv: .venv/.ready  ## make .venv, with everything to run and to test; at once when it is there

schedulers:  ## install Slurm and Grid Engine from Debian if root, for the tests that use them
	@sh tests/install_schedulers.sh

servers:  ## install MariaDB from Debian if root, for the tests that use it
	@sh tests/install_servers.sh

r:  ## install R and sqlite3 from Debian if root, for the tests of the documents
	@sh tests/install_r.sh

demo: venv  ## run the commands of the README on the small run in examples/
	PATH="$(CURDIR)/.venv/bin:$$PATH" sh examples/demo.sh

test: venv schedulers servers r  ## run the tests; as root this installs packages of Debian
	$(PYTEST)

test-mysql: venv  ## run the tests that need Oracle's MySQL, got from Debian's next suite if it can be
	@sh tests/fetch_mysql.sh
	$(PYTEST) -m mysql

check: venv schedulers servers r  ## all that a change has to pass: style, types, imports, tests
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(PYTEST)

man: venv  ## write the man page, and the help screens that tests compare, from the program
	PYTHONPATH=tests .venv/bin/python -m support.help_screens

docs: .venv/.docs  ## build the documents into build/site; nothing is fetched
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --quiet --strict
	@echo "open build/site/index.html; to search it, too: python3 -m http.server -d build/site"

docs-refresh: venv schedulers servers r  ## write what commands print now into the documents
	CPEXPORT_DOCS=refresh .venv/bin/pytest tests/docs/test_pages.py tests/docs/test_pictures.py $(PYTEST_ARGS)

conformance: venv  ## run plans by the real CellProfiler 4 that is on the PATH
	CPEXPORT_CONFORMANCE=1 .venv/bin/pytest tests/conformance $(PYTEST_ARGS)

clients: .venv-clients/.ready  ## let CytoTable and pycytominer read what was loaded; 1 GB in .venv-clients
	.venv-clients/bin/pytest tests/clients tests/sinks/test_parquet.py \
		tests/docs/test_pages.py::'test_a_page_does_what_it_shows[docs/how-to/pycytominer.md]' \
		$(PYTEST_ARGS)

bench: .venv-bench/.ready servers  ## measure how fast it is, beside floors and peers; 15 GB in build/bench
	-@$(MAKE) --no-print-directory .venv-clients/.ready
	@PYTHONPATH=tests .venv-bench/bin/python -m bench \
		--unit $(BENCH_UNIT) --rounds $(BENCH_ROUNDS) --peers $(BENCH_PEERS)

fuzz: venv servers  ## load FUZZ_CASES random screens every way, and compare with an oracle
	PYTHONPATH=tests .venv/bin/python -m fuzz --cases $(FUZZ_CASES) --processes $(FUZZ_PROCESSES) \
		$(if $(FUZZ_SEED),--seed $(FUZZ_SEED))

days: venv  ## live DAYS random days of a cluster, and compare with an oracle; root meets full disks
	PYTHONPATH=tests .venv/bin/python -m days --days $(DAYS) $(if $(DAYS_SEED),--seed $(DAYS_SEED))

clean:  ## remove .venv and whatever the tools left
	rm -rf .venv .venv-clients .venv-bench .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist
	find cpexport tests -name __pycache__ -type d -prune -exec rm -rf {} +

# What is installed besides the project. The clients bring a thousand megabytes of their own.
.venv/.ready: EXTRAS = test
.venv-clients/.ready: EXTRAS = test,clients
.venv-bench/.ready: EXTRAS = test,bench

# MkDocs comes into the same environment, as the pages about Python and commands import cpexport.
.venv/.docs: .venv/.ready
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	@touch $@

# A python on the PATH may be a shim of a version manager that only says what it cannot run.
.venv/.ready .venv-clients/.ready .venv-bench/.ready: pyproject.toml
	@if ! $(@D)/bin/python $(RUNS); then \
		rm -rf $(@D); \
		for python in $(PYTHONS); do \
			if $$python $(RUNS); then echo "making $(@D) with $$python"; break; fi; \
			python=; \
		done; \
		if [ -z "$$python" ]; then \
			echo "make: none of $(PYTHONS) runs, is 3.11 or newer, and has venv" >&2; exit 1; \
		fi; \
		$$python -m venv $(@D); \
	fi
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[$(EXTRAS)]'
	@touch $@
