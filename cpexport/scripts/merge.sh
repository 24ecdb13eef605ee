#!/bin/sh
# Says what is there and what is missing, and loads what is complete. It runs after all jobs,
# however they ended, and again whenever you like: nothing is loaded twice.
set -u
here=@here@
@moved@
@own@
cd "$here" || exit 1
@cpexport@ check @outputs@ --batch @batch_file@
@cpexport@ load @outputs@ --batch @batch_file@ --to @to@
