#!/bin/sh
# Installs Debian's R with the packages that the documents use, and sqlite3. Where that cannot be
# done it says why and succeeds: the tests that need them are skipped.
set -u

# Out of reach is out of reach: more tries only take longer.
APT="apt-get -q -o Acquire::Retries=1"

# leave WHY...: one line, and no failure.
leave() {
    echo "install_r: $*; tests that need it are skipped"
    exit 0
}

has() {
    for command in "$@"; do
        command -v "$command" >/dev/null || return 1
    done
}

# Debian has each R package as a folder here.
if has Rscript sqlite3 && [ -d /usr/lib/R/site-library/RSQLite ] &&
    [ -d /usr/lib/R/site-library/jsonlite ]; then
    exit 0
fi
if [ "$(id -u)" != 0 ]; then leave "R or sqlite3 is missing and only root can install it"; fi
if ! has apt-get; then leave "R or sqlite3 is missing and there is no apt-get"; fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 1' HUP INT TERM
export DEBIAN_FRONTEND=noninteractive

# One archive of many may be out of reach, so that failing to update is no reason to give up.
$APT update >"$log" 2>&1 </dev/null
if ! $APT install -y --no-install-recommends \
    r-base-core r-cran-dbi r-cran-rsqlite r-cran-jsonlite sqlite3 >"$log" 2>&1 </dev/null; then
    leave "it cannot be installed ($(sed -n '/^E: /{s///p;q}' "$log"))"
fi
