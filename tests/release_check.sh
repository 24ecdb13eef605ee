#!/bin/sh
# Builds the sdist and, from it, the wheel; installs the wheel in a fresh environment; runs the demo
# there, and tries each file that has to come along. Leaves all of it in build/release.
# usage: release_check.sh PYTHON   PYTHON: one with hatchling
set -eu
cd "$(dirname "$0")/.."
root=$(pwd)
python=$1
case $python in */*) python=$root/$python ;; esac
out=$root/build/release
unset PYTHONPATH

failed() {
    echo "release-check: $*" >&2
    exit 1
}

rm -rf "$out"
mkdir -p "$out/source"
"$python" -m hatchling build -t sdist -d "$out"
# From the sdist, as packagers do it: a file that is missing there is missing in the wheel.
tar -xzf "$out"/cpexport-*.tar.gz -C "$out/source" --strip-components 1
(cd "$out/source" && "$python" -m hatchling build -t wheel -d "$out")

"$python" - "$out"/cpexport-*.whl <<'EOF'
import subprocess, sys, zipfile
listed = subprocess.run(["git", "ls-files", "cpexport", "sql"], capture_output=True, text=True, check=True)
wanted = {n if n.startswith("cpexport/") else f"cpexport/{n}" for n in listed.stdout.split()}
missing = wanted - set(zipfile.ZipFile(sys.argv[1]).namelist())
sys.exit(f"release-check: not in the wheel: {sorted(missing)}" if missing else 0)
EOF

"$python" -m venv "$out/venv"
"$out/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$out"/cpexport-*.whl
"$out/venv/bin/python" -m pip --disable-pip-version-check check

# A copy, so that nothing is imported from the repository.
cp -R examples "$out/examples"
cd "$out/examples"
PATH="$out/venv/bin:$PATH"
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' "$root/cpexport/__init__.py")
case $(cpexport --version) in *" $version"*) ;; *) failed "cpexport --version is not $version" ;; esac
sh demo.sh

cpexport script --grants | cmp - "$root/sql/grants.sql"
for kind in sqlite mysql; do
    cpexport script --queries "$kind" | cmp - "$root/sql/queries.$kind.sql"
done

# The demo has run again what was missing, so nothing is left out.
cpexport script screen/outputs --out import --quiet > /dev/null
for file in import.sql README.txt; do
    [ -s "import/$file" ] || failed "cpexport script writes no $file"
done
cmp import/grants.sql "$root/sql/grants.sql"

cpexport plan screen/Batch_data.h5 --images-per-batch 12 --out run --quiet > /dev/null
for file in run/*.sh; do
    sh -n "$file"
done
for file in submit.sh task.sh array.sh merge.sh; do
    [ -s "run/$file" ] || failed "cpexport plan writes no $file"
done
cpexport runner > run_batch.py
python -m py_compile run_batch.py

# What is not installed is named in one line.
for to in screen.duckdb mysql+pymysql://loader@localhost/screens; do
    status=0
    said=$(cpexport load screen/outputs --to "$to" --quiet 2>&1) || status=$?
    case $status:$said in
        2:*"pip install 'cpexport["*"]'") ;;
        *) failed "$to ends with $status: $said" ;;
    esac
done
echo "release-check: $(basename "$out"/cpexport-*.whl) works"
