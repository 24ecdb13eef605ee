#!/bin/sh
# What the scheduler runs: the job at the array's offset in jobs.tsv and its own place in the array.
index=@index@
CPEXPORT_JOB=@scheduler_word@:@array@_$index
export CPEXPORT_JOB
exec sh @here@/task.sh $((${1:-${CPEXPORT_OFFSET:-0}} + index))
