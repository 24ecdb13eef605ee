#!/bin/sh
# Installs Debian's Slurm and Grid Engine, which the tests start by themselves and stop again. Where
# that cannot be done it says why and succeeds: the tests that need a scheduler are skipped then.
set -u

# Daemons are in a folder that is not on everybody's PATH.
PATH=$PATH:/usr/sbin:/sbin
POLICY=/usr/sbin/policy-rc.d
# Out of reach is out of reach: more tries only take longer.
APT="apt-get -q -o Acquire::Retries=1"
made_policy= failed= reason=

# leave WHY...: one line, and no failure.
leave() {
    echo "install_schedulers: $*; tests that need it are skipped"
    exit 0
}

has() {
    for command in "$@"; do
        command -v "$command" >/dev/null || return 1
    done
}

has_slurm() {
    has munged slurmctld slurmd sbatch
}

has_grid_engine() {
    has sge_qmaster sge_execd qsub
}

clean_up() {
    [ -z "$made_policy" ] || rm -f "$POLICY"
    rm -f "$log"
}

# install NAME PACKAGE...: quiet; of what fails, the names and the first reason are kept.
install() {
    name=$1
    shift
    $APT install -y --no-install-recommends "$@" >"$log" 2>&1 </dev/null && return
    failed=${failed:+$failed and }$name
    : "${reason:=$(why)}"
}

# What apt says first, or what a script of a package said just before dpkg called it an error.
why() {
    awk '/^dpkg: error/ { print said; exit } /^E: / { print substr($0, 4); exit } { said = $0 }' "$log"
}

if has_slurm && has_grid_engine; then exit 0; fi
if [ "$(id -u)" != 0 ]; then leave "a scheduler is missing and only root can install it"; fi
if ! has apt-get; then leave "a scheduler is missing and there is no apt-get to install it with"; fi

log=$(mktemp)
trap clean_up EXIT
trap 'exit 1' HUP INT TERM
export DEBIAN_FRONTEND=noninteractive

# No daemon is to run but those that tests start; a policy that is there already is left alone.
if [ ! -e "$POLICY" ]; then
    made_policy=yes
    printf '#!/bin/sh\nexit 101\n' >"$POLICY"
    chmod 755 "$POLICY"
fi

# One archive of many may be out of reach, so that failing to update is no reason to give up.
$APT update >"$log" 2>&1 </dev/null

# One after the other: Grid Engine is in fewer releases, and drags in a mail server.
if ! has_slurm; then
    install Slurm munge slurmctld slurmd slurm-client slurm-wlm-basic-plugins
fi
if ! has_grid_engine; then
    install "Grid Engine" gridengine-master gridengine-exec gridengine-client
fi
if [ -n "$failed" ]; then leave "$failed cannot be installed ($reason)"; fi
