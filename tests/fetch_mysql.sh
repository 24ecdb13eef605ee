#!/bin/sh
# Puts Oracle's MySQL into the folder build/mysql, from Debian's next suite and without installing
# it: packages of its server, its client and all that they need are unpacked there, and run by their
# own loader. Where it cannot be had it says why and succeeds: tests that need it are skipped.
set -u

cd "$(dirname "$0")/.." || exit 1
HOME_OF_IT=build/mysql
SUITE=${MYSQL_SUITE:-sid}
KEYS=/usr/share/keyrings/debian-archive-keyring.gpg

# leave WHY...: one line, and no failure.
leave() {
    echo "fetch_mysql: $*; tests that need MySQL are skipped"
    exit 0
}

if [ -d "$HOME_OF_IT" ]; then exit 0; fi
for command in apt-get dpkg-deb; do
    command -v "$command" >/dev/null || leave "there is no $command"
done
[ -e "$KEYS" ] || leave "there is no $KEYS to know Debian's packages by"

# Wherever this machine's own packages come from, there the next suite is too.
archive=$(cat /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null |
    awk '/^URIs:/ { print $2; exit } /^deb / { for (i = 2; i < NF; i++) if ($i ~ /:\/\//) { print $i; exit } }')
[ -n "$archive" ] || leave "this machine has no Debian archive among its sources"

mkdir -p build
work=$(mktemp -d "$PWD/build/.mysql-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/state" "$work/root"
: >"$work/state/status"
echo "deb [signed-by=$KEYS] $archive $SUITE main" >"$work/sources.list"
cat >"$work/apt.conf" <<END
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State::lists "$work/lists";
Dir::State::status "$work/state/status";
Dir::Cache "$work/cache";
Acquire::Languages "none";
Acquire::Retries "1";
APT::Sandbox::User "";
Debug::NoLocking "true";
END
export APT_CONFIG="$work/apt.conf"

log=$work/log
why() {
    sed -n '/^E: /{s///p;q}' "$log"
}
apt-get -q update >"$log" 2>&1 </dev/null || leave "the archive is out of reach ($(why))"
apt-get -q install -y --download-only --no-install-recommends mysql-server-core mysql-client-core \
    >"$log" 2>&1 </dev/null || leave "it cannot be had ($(why))"
for package in "$work"/cache/archives/*.deb; do
    dpkg-deb -x "$package" "$work/root" || leave "$package cannot be unpacked"
done
mv "$work/root" "$HOME_OF_IT"
