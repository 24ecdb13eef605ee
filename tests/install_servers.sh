#!/bin/sh
# Installs Debian's MariaDB server and client, of which the tests start private instances and stop
# them again. Where that cannot be done it says why and succeeds: the tests that need it are skipped.
set -u

# Servers are in a folder that is not on everybody's PATH.
PATH=$PATH:/usr/sbin:/sbin
POLICY=/usr/sbin/policy-rc.d
# Out of reach is out of reach: more tries only take longer.
APT="apt-get -q -o Acquire::Retries=1"
made_policy=

# leave WHY...: one line, and no failure.
leave() {
    echo "install_servers: $*; tests that need MariaDB are skipped"
    exit 0
}

has() {
    for command in "$@"; do
        command -v "$command" >/dev/null || return 1
    done
}

clean_up() {
    [ -z "$made_policy" ] || rm -f "$POLICY"
    rm -f "$log"
}

if has mariadbd mariadb-install-db mariadb; then exit 0; fi
if [ "$(id -u)" != 0 ]; then leave "MariaDB is missing and only root can install it"; fi
if ! has apt-get; then leave "MariaDB is missing and there is no apt-get to install it with"; fi

log=$(mktemp)
trap clean_up EXIT
trap 'exit 1' HUP INT TERM
export DEBIAN_FRONTEND=noninteractive

# No server is to run but those that tests start; a policy that is there already is left alone.
if [ ! -e "$POLICY" ]; then
    made_policy=yes
    printf '#!/bin/sh\nexit 101\n' >"$POLICY"
    chmod 755 "$POLICY"
fi

# One archive of many may be out of reach, so that failing to update is no reason to give up.
$APT update >"$log" 2>&1 </dev/null
if ! $APT install -y --no-install-recommends mariadb-server mariadb-client >"$log" 2>&1 </dev/null
then
    leave "it cannot be installed ($(sed -n '/^E: /{s///p;q}' "$log"))"
fi
