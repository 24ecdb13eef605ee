#!/bin/sh
# The scheduler runs this script. It runs one line of jobs.tsv: the array's offset plus the job's
# index in the array. With `merge` instead of an offset it runs the last job. Most schedulers keep a
# copy of this file from the submission. LSF reads it when a job starts, so its command names the
# plan that the job was submitted by.
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
