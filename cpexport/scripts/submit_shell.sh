#!/bin/sh
# @count@ jobs of @batch@ on this machine, @at_once@ at a time. Run them with
#
#     sh @submit@
#
# Each runs one line of jobs.tsv: task, first, last, group, folder, image sets, and limits, which
# nobody enforces here. Run it again, and jobs that are complete are passed over.
set -u
here=@here@
@moved@
mkdir -p "$here/logs"
# Without -I, which would replace its letter in the path too: each number comes last by itself.
seq 1 @count@ | xargs -P @at_once@ -n 1 \
    sh -c 'sh "$1/task.sh" "$2" >"$1/logs/$2.log" 2>&1' sh "$here"
sh "$here/merge.sh"
