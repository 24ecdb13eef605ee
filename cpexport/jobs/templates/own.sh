# If a run is moved while a job waits, the job would work for the run that is in its place by then.
if [ "${CPEXPORT_PLAN:-@plan@}" != @plan@ ]; then
    echo "$here contains another plan than the one that submitted this job, so the job did" \
        "nothing; run cpexport check on the new folder of its run" >&2
    exit 1
fi
