#!/bin/sh
# Reports what is complete and what is missing, and loads what is complete. It runs after all jobs,
# however they ended. You can run it again at any time: nothing is loaded twice.
set -u
here=@here@
@moved@
@own@
cd "$here" || exit 1
@cpexport@ check @outputs@ @batch_option@ @batch_file@
@cpexport@ load @outputs@ @batch_option@ @batch_file@ --to @to@
