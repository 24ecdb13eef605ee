#!/bin/sh
# Reports what is complete and what is missing, and loads what is complete; report.html shows both,
# also if the load fails. It runs after all jobs, however they ended. You can run it again at any
# time: nothing is loaded twice.
set -u
here=@here@
@moved@
@own@
cd "$here" || exit 1
@cpexport@ check @outputs@ @batch_option@ @batch_file@
@cpexport@ load @outputs@ @batch_option@ @batch_file@ --to @to@ --report report.html
status=$?
# If the load failed, the outputs alone show what there is.
[ "$status" -ne 1 ] ||
    @cpexport@ check @outputs@ @batch_option@ @batch_file@ --report report.html --quiet > /dev/null
exit "$status"
