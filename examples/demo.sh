#!/bin/sh
# The main job on a small real screen: 24 image sets, a job for each. One job was killed and one
# never started; both run again meanwhile.
# `cpexport` must be on the PATH; `make demo` sees to that.
set -eu
cd "$(dirname "$0")"

show() {
    expected=$1
    shift
    printf '\n$ %s\n' "$*"
    status=0
    "$@" || status=$?
    if [ "$status" -ne "$expected" ]; then
        echo "demo: exit status $status, not $expected" >&2
        exit 1
    fi
}

rm -rf screen screen.sqlite
python -m tarfile -e screen.tar.xz .

# 3: done, but something is missing, which the report names.
show 3 cpexport check screen/outputs
show 3 cpexport check screen/outputs --format commands
show 3 cpexport load screen/outputs --to screen.sqlite
# The two jobs have run again, and left this.
show 0 python -m tarfile -e rerun.tar.xz .
show 0 cpexport load screen/outputs --to screen.sqlite
show 0 cpexport verify screen/outputs --to screen.sqlite
show 0 python -c '
import sqlite3
query = """
    SELECT Image_Metadata_Plate, Image_Metadata_Well, count(*), avg(Nuclei_AreaShape_Area)
    FROM Per_Image JOIN Per_Nuclei USING (ImageNumber)
    GROUP BY 1, 2 ORDER BY 1, 2
"""
for plate, well, nuclei, area in sqlite3.connect("screen.sqlite").execute(query):
    print(f"{plate}  {well}  {nuclei:3} nuclei, mean area {area:.1f} pixels")
'
