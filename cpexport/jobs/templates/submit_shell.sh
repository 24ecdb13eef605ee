#!/bin/sh
# @count@ jobs of @batch@ on this machine, @at_once@ at a time. Run them with
#
#     sh @submit@
#
# Each job runs one line of jobs.tsv: task, first, last, group, folder, image sets, and limits,
# which are not enforced here. If you run this again, it runs only jobs that were not started yet, or
# were cut off.
set -u
here=@here@
outputs=@outputs@
@moved@
@claim@
# This record says that jobs are still to come, as long as the process that starts them lives.
offset=0 count=@count@ record=$status/@plan@.0.submitted

# goes_on PROCESS: whether it lives and belongs to such jobs. Process numbers are reused.
goes_on() {
    if [ -d /proc/self ]; then
        grep -q 'task\.sh\|submit\.sh' "/proc/$1/cmdline" 2>/dev/null
    else
        kill -0 "$1" 2>/dev/null
    fi
}

if [ -e "$record" ]; then
    id=$(sed -n 1p "$record" | cut -f2)
    host=${id%%:*} process=${id#*:}
    process=${process%%:*}
    if [ "$host" != "$(uname -n)" ]; then
        stop "$record: these jobs were started on ${host:-another machine} and may still run" \
            "there, so nothing was started here; remove this file if they do not run"
    elif goes_on "$process"; then
        stop "$record: these jobs are already running (process $process), so nothing was started;" \
            "wait until they end, or stop them: kill $process"
    fi
fi
refuse_again

# The numbers of the jobs, without those that have failed in this plan. A complete job ends at once.
numbers=$(
    plan=@plan@ status=$status awk -F '\t' '
        {
            file = ENVIRON["status"] "/" $5 ".status"
            state = ""
            while ((getline line < file) > 0) {
                split(line, field, "\t")
                if (field[1] == "start") ours = field[7] == ENVIRON["plan"]
                state = field[1] == "end" && ours ? field[2] : ""
            }
            close(file)
            if (state != "failed") print $1
        }' "$here/jobs.tsv"
)
failed=$((count - $(printf '%s' "$numbers" | grep -c .)))
if [ "$failed" -gt 0 ]; then
    echo "failed jobs of this plan, which are not run again: $failed; plan them with more time or" \
        "memory, or in smaller jobs: cpexport check '$outputs' --resubmit NEW_FOLDER" >&2
fi

CPEXPORT_RUN=$(date +%s)
export CPEXPORT_RUN
record "$(uname -n):$$:$CPEXPORT_RUN" ||
    stop "$record: cannot be written, so no job was started; free some space there"
rm -rf "$lock"
trap - EXIT INT HUP TERM
# Without -I, which would also replace its letter in the path: xargs appends each number.
[ -z "$numbers" ] || printf '%s\n' "$numbers" | (
    # This shell becomes xargs, which continues if only the shell around it is killed.
    record "$(uname -n):$(exec sh -c 'echo $PPID'):$CPEXPORT_RUN"
    exec xargs -P @at_once@ -n 1 \
        sh -c 'sh "$1/task.sh" "$2" >"$1/logs/$2.log" 2>&1' sh "$here"
)
rm -f "$record"
sh "$here/merge.sh"
