#!/bin/sh
# What the scheduler runs: the job at the array's offset in jobs.tsv and its own place in the array,
# or, instead of an offset, `merge`.
here=@here@
# Schedulers keep this file as it was submitted.
CPEXPORT_PLAN=@plan@
export CPEXPORT_PLAN
what=${1:-${CPEXPORT_OFFSET:-0}}
@log@
if [ "$what" = merge ]; then exec sh "$here/merge.sh"; fi
index=@index@
CPEXPORT_JOB=@scheduler_word@:@array@_$index
export CPEXPORT_JOB
exec sh "$here/task.sh" $((what + index))
