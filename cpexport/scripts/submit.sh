#!/bin/sh
# @count@ jobs of @batch@ for @scheduler_name@. Submit them with
#
#     sh @submit@
#
# Each task of an array runs one line of jobs.tsv: task, first, last, group, folder, image sets, and
# its limits in minutes and MiB. The last job says what is missing and loads the rest; it runs
# however the others ended. Run this again, and only what was not submitted yet is.
set -eu
here=@here@
outputs=@outputs@

@scheduler@

mkdir -p "$here/logs" "$outputs/status"
after=

# array OFFSET COUNT [OPTION...]: the COUNT jobs after OFFSET, in arrays as long as the site allows.
array() {
    offset=$1 left=$2
    shift 2
    while [ "$left" -gt 0 ]; do
        count=$((left < longest ? left : longest))
        record=$outputs/status/@plan@.$offset.submitted
        if [ -s "$record" ]; then
            id=$(sed -n 1p "$record" | cut -f2)
            echo "jobs $((offset + 1)) to $((offset + count)) were submitted before, as $id"
        else
            id=$(submit "$count" "$offset" "$@")
            # With the image sets of each job, as this folder may be gone when somebody asks.
            {
                printf '@scheduler_word@\t%s\n' "$id"
                sed -n "$((offset + 1)),$((offset + count))p" "$here/jobs.tsv" | cut -f6
            } >"$record"
            echo "jobs $((offset + 1)) to $((offset + count)) are array job $id"
        fi
        after="$after $id"
        offset=$((offset + count)) left=$((left - count))
    done
}

@arrays@

id=$(submit_last $after)
echo "job $id runs after them; what all of them say is in $(dirname "$0")/logs"
