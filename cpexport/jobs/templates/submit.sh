#!/bin/sh
# @count@ jobs of @batch@ for @scheduler_name@. Submit them with
#
#     sh @submit@
#
# Each task of an array runs one line of jobs.tsv: task, first, last, group, folder, image sets, and
# its limits in minutes and MiB. The last job reports what is missing and loads the rest; it runs
# however the others ended. If you run this again, it submits only what was not submitted yet.
set -eu
here=@here@
outputs=@outputs@
@moved@
@claim@
merge=$status/@plan@.merge
submitted=0 new= after= previous=

@scheduler@

# Stops and says what to do about jobs that may or may not have been submitted.
unknown() {
    stop "$record: jobs $((offset + 1)) to $((offset + count)) may have been submitted, because" \
        "the submission was interrupted. Look for them (@list@). If they are missing, remove this" \
        "file; if they exist, add their id: sed -i '1s/[[:space:]]/&ID/' '$record'. Then run this" \
        "script again"
}

# array OFFSET COUNT [OPTION...]: submits the COUNT jobs after OFFSET, in arrays as long as the site
# allows.
array() {
    offset=$1 left=$2
    shift 2
    while [ "$left" -gt 0 ]; do
        count=$((left < longest ? left : longest))
        record=$status/@plan@.$offset.submitted
        if [ -e "$record" ]; then
            id=$(sed -n 1p "$record" | cut -f2)
            [ -n "$id" ] || unknown
            lines=$(wc -l <"$record")
            [ "$lines" -gt 0 ] || unknown
            # Older versions did not record the number of jobs.
            count=$(sed -n 1p "$record" | cut -f3)
            count=${count:-$((lines - 1))}
            [ "$count" -gt 0 ] || unknown
            echo "jobs $((offset + 1)) to $((offset + count)) were already submitted as $id"
        else
            refuse_again
            record || stop "$record: cannot be written, so jobs $((offset + 1)) to @count@ were" \
                "not submitted; free some space there, and run this script again"
            code=0
            id=$(submit "$count" "$offset" "$@" 2>"$lock/said") || code=$?
            if [ "$code" -ne 0 ] || [ -z "$id" ]; then
                refused
                continue
            fi
            if ! record "$id"; then
                cancel "$id" || stop "$record: the id $id cannot be written, and these jobs could" \
                    "not be cancelled; cancel them, free some space there, remove this file, and" \
                    "run this script again"
                stop "$record: the id $id cannot be written, so these jobs were cancelled; free" \
                    "some space there, remove this file, and run this script again"
            fi
            new=yes
            cat "$lock/said" >&2 || true
            echo "jobs $((offset + 1)) to $((offset + count)) are array job $id"
        fi
        after="$after $id" previous=$id
        submitted=$((submitted + count))
        offset=$((offset + count)) left=$((left - count))
    done
}

# Tries a shorter array if that may help; otherwise stops and says how far it got.
refused() {
    # The scheduler may have accepted the jobs although its answer was lost, or its command killed.
    case $code in 0 | 129 | 130 | 137 | 143) lost=yes ;; *) lost= ;; esac
    if [ -n "$lost" ] || grep -qi 'timed out\|timeout' "$lock/said"; then
        cat "$lock/said" >&2
        unknown
    fi
    rm -f "$record"
    # The words of Slurm (limits of an account, a QOS or the site), Grid Engine, LSF and PBS.
    full=
    if grep -Eqi 'submit.*limit|(jobs.*allowed|max.*jobs)|per-(user|group|project) limit|threshold' \
        "$lock/said"; then full=yes; fi
    if [ "$count" -gt 1 ] && { [ -n "$full" ] || grep -qi 'array\|tasks' "$lock/said"; }; then
        longest=$((count / 2))
        return
    fi
    cat "$lock/said" >&2
    [ -n "$full" ] || [ "$submitted" -gt 0 ] || stop "nothing was submitted"
    stop "$submitted of @count@ jobs are submitted, but the scheduler accepts no more now; run" \
        "this script again when some of them, or of your other jobs, have ended"
}

@arrays@

if [ -n "$new" ] || [ ! -s "$merge" ]; then
    id=$(submit_last $after) || stop "all jobs are submitted except the last one, which loads" \
        "their outputs: its limits are --merge-time and --merge-memory of cpexport plan. Run this" \
        "script again, or when the jobs have ended: sh '$here/merge.sh'"
    echo "$id" >"$merge"
    echo "job $id runs after them; all logs are in $(dirname "$0")/logs"
else
    echo "the last job was already submitted as $(cat "$merge"); to load what is complete now:" \
        "sh '$here/merge.sh'"
fi
