#!/bin/sh
# What the scheduler runs: the job at the array's offset in jobs.tsv and its own place in the array,
# or, instead of an offset, `merge`. Most schedulers keep this file as it was submitted; LSF reads it
# when a job starts, and so names the plan that the job was submitted by.
here=@here@
CPEXPORT_PLAN=${2:-@plan@}
export CPEXPORT_PLAN
what=${1:-${CPEXPORT_OFFSET:-0}}
@log@
if [ "$what" = merge ]; then exec sh "$here/merge.sh"; fi
index=@index@
CPEXPORT_JOB=@scheduler_word@:@array@_$index
export CPEXPORT_JOB
exec sh "$here/task.sh" $((what + index))
