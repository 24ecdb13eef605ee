#!/bin/sh
# Installs Debian's Chromium, in which the tests open reports. Where that cannot be
# done it says why and succeeds: the tests that need them are skipped.
set -u

# Out of reach is out of reach: more tries only take longer.
APT="apt-get -q -o Acquire::Retries=1"

# leave WHY...: one line, and no failure.
leave() {
    echo "install_browser: $*; tests that need it are skipped"
    exit 0
}

has() {
    for command in "$@"; do
        command -v "$command" >/dev/null || return 1
    done
}

if has chromium || has chromium-browser || has google-chrome; then exit 0; fi
if [ "$(id -u)" != 0 ]; then leave "Chromium is missing and only root can install it"; fi
if ! has apt-get; then leave "Chromium is missing and there is no apt-get"; fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 1' HUP INT TERM
export DEBIAN_FRONTEND=noninteractive

# One archive of many may be out of reach, so that failing to update is no reason to give up.
$APT update >"$log" 2>&1 </dev/null
if ! $APT install -y --no-install-recommends chromium fonts-dejavu-core >"$log" 2>&1 </dev/null; then
    leave "it cannot be installed ($(sed -n '/^E: /{s///p;q}' "$log"))"
fi
