# If a run is moved while a job waits, the job would work for the run that is in its place by then.
if [ "${CPEXPORT_PLAN:-@plan@}" != @plan@ ]; then
    echo "$here holds another plan than this job was submitted by, so nothing was done; check the" \
        "run where it is now" >&2
    exit 1
fi
