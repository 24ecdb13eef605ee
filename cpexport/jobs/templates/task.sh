#!/bin/sh
# Runs one job of the plan: `sh task.sh 7` runs line 7 of jobs.tsv. Any scheduler can call it, more
# than once: a complete job does not run again. Each copy of a job works in its own folder,
# NAME.part.ID, which becomes NAME when the job is complete, and NAME.part when it has failed.
set -u
here=@here@
outputs=@outputs@
batch_file=@batch_file@
size_and_time=@size_and_time@
sha256=@sha256@
plan=@plan@
@moved@
@own@

line=$(sed -n "${1:?the number of a line of jobs.tsv}p" "$here/jobs.tsv")
field() { printf '%s\n' "$line" | cut -f"$1"; }
first=$(field 2) last=$(field 3) group=$(field 4) name=$(field 5) image_sets=$(field 6)
minutes=$(field 7)
if [ -z "$name" ]; then
    echo "$here/jobs.tsv: no line $1" >&2
    exit 1
fi
id=${CPEXPORT_JOB:-shell:$(uname -n):$$${CPEXPORT_RUN:+:$CPEXPORT_RUN}}
folder=$outputs/$name
status=$outputs/status/$name.status

now() { date -u +%Y-%m-%dT%H:%M:%SZ; }

# Each job has its own file, because appending to one file from many nodes is not safe on NFS.
note() {
    mkdir -p "$outputs/status"
    (IFS=$(printf '\t') && printf '%s\n' "$*" >>"$status")
}

is_complete() { [ "$(cat "$1/done.txt" 2>/dev/null)" = Complete ]; }

# move FROM TO: a rename that fails if TO exists, and never moves into it.
move() {
    mv -T "$1" "$2" 2>/dev/null && return
    if [ -e "$2" ] || ! mv "$1" "$2"; then return 1; fi
    # If mv has no -T, it may have moved into a folder that another copy has made in the meantime.
    inside=$2/${1##*/}
    if [ -e "$inside" ]; then
        mv "$inside" "$1"
        return 1
    fi
}

# Whether the temporary folder has the job's measurements, because ExportToCpexport could not move
# them to the job's folder: CellProfiler's own files there end in .hdf5.
stranded() {
    set -- "$temporary"/*.h5
    [ -e "$1" ]
}

# Puts the files of a failed attempt where users look for them, in place of an older attempt's.
leave() {
    stranded || rm -rf "$temporary"
    if ! is_complete "$folder"; then
        rm -rf "$folder.part"
        if move "$part" "$folder.part"; then
            part=$folder.part
            [ -n "${CPEXPORT_TMPDIR:-}" ] || temporary=$part/tmp
        fi
    fi
    if stranded; then echo "$temporary: has the measurements of this job" >&2; fi
}

# Ends a job whose run was moved while it ran, and leaves nothing in the run that took its place: a
# folder without the stamp is one that CellProfiler made there.
still_ours() {
    is_ours && return
    rm -rf "$temporary"
    [ -e "$stamp" ] || rm -rf "$part"
    not_ours "the output of this job does not count"
}

run() {
@modules@
@run@
}

# stopped [STATE]: ends the job and records STATE. Schedulers send a signal some seconds before they
# kill a job.
stopped() {
    trap '' $signals
    state=${1:-terminated}
    # A timer can fire early.
    if [ -n "$until" ] && [ "$(date +%s)" -ge $((until - 90)) ]; then state=timeout; fi
    if is_ours; then note end "$state" "" "$(now)" "$id"; fi
    echo "$part: the job was stopped ($state)" >&2
    if [ -n "$child" ] && kill -TERM "$child" 2>/dev/null; then
        sleep 1
        kill -KILL "$child" 2>/dev/null
        wait "$child"
    fi
    still_ours
    leave
    exit 143
}

if is_complete "$folder"; then
    echo "$folder: already complete"
    exit 0
fi

# A folder of its own, even if another copy of this job runs, or ran before a requeue.
base=$folder.part.$(printf %s "$id" | tr -c '[:alnum:]-' _)
part=$base try=1
mkdir -p "$outputs" || exit 1
until mkdir "$part" 2>/dev/null; do
    [ -d "$part" ] || mkdir "$part" || exit 1
    try=$((try + 1)) part=$base.$try
done
temporary=$part/tmp
if [ -n "${CPEXPORT_TMPDIR:-}" ]; then temporary=$CPEXPORT_TMPDIR/${part##*/}; fi
while stranded; do temporary=$temporary.again; done
mkdir -p "$temporary" || exit 1
# What a failed attempt left would be mistaken for this attempt's files.
rm -rf "$folder.part"
# If there is no room for these few bytes, there is none for the results of hours of CellProfiler.
stamp=$part/batch_file.sha256
problem=
if ! printf '%s  %s\n' "$sha256" "$batch_file" >"$stamp" || [ ! -s "$stamp" ] ||
    ! note start "$image_sets" "$id" "$(now)" "$minutes" "$(field 8)" "$plan" \
        "$(uname -n)"; then
    # An empty stamp would be reported as damaged.
    rm -f "$stamp"
    problem="$outputs: cannot be written on $(uname -n); free some space there"
fi

# When the job has to end, in seconds since 1970, if that is known.
until=${SLURM_JOB_END_TIME:-}
if [ -z "$until" ] && [ -n "$minutes" ]; then until=$(($(date +%s) + minutes * 60)); fi
child=
signals="HUP INT TERM USR1 USR2 XCPU"
trap stopped HUP INT TERM USR2
# Grid Engine's signals for a soft limit.
trap 'stopped timeout' USR1 XCPU

# If each of 10^5 jobs read the whole batch file, that would be terabytes. So its digest is computed
# only if its size or time has changed, as in a copy.
if [ -n "$problem" ]; then
    :
elif [ -e "$folder" ]; then
    problem="$folder: already exists, but is not complete; plan the job again with another folder:"
    problem="$problem cpexport check '$outputs' --resubmit NEW_FOLDER"
elif [ ! -r "$batch_file" ]; then
    problem="$batch_file: cannot be read on $(uname -n); restore it, or make it readable there"
elif [ "$(stat -L -c '%s %Y' "$batch_file" 2>/dev/null)" != "$size_and_time" ] &&
    [ "$(sha256sum <"$batch_file" | cut -d' ' -f1)" != "$sha256" ]; then
    problem="$batch_file: not the batch file of this plan; plan again with cpexport plan"
fi

if [ -n "$problem" ]; then
    echo "$problem" >"$part/job.log" || echo "$problem" >&2
    code=1
else
    @select@
    # CellProfiler's messages go to the job's folder, where check finds them whatever the scheduler
    # does with its own log. A pipe to both logs is no choice: a program that CellProfiler leaves
    # behind would keep it open, and the job waiting.
    echo "the messages of CellProfiler are in $part/job.log"
    # In the background, because a shell handles no signal while it waits for a command.
    (run -c -r -p @pipeline@ "$@" -o "$part" -t "$temporary" -d "$part/done.txt"@plugins@@measurements@) \
        </dev/null >"$part/job.log" 2>&1 &
    child=$!
    wait "$child"
    code=$?
fi
trap '' $signals
cat "$part/job.log"
still_ours

# The exit status alone shows nothing: without a done file it is 0 even after a failure.
# A folder without the stamp is not the one made above: that one was moved away with its run.
if is_complete "$part" && [ -f "$stamp" ] && ! stranded; then
    rm -rf "$temporary"
    if move "$part" "$folder"; then
        note end complete "$code" "$(now)" "$id"
        # Removes what failed before, and what this job left when it was requeued.
        rm -rf "$folder.part" "$base" "$base".[0-9]*
        exit 0
    elif is_complete "$folder"; then
        note end complete "$code" "$(now)" "$id"
        echo "$folder: another copy of this job was complete first, so this output is removed" >&2
        rm -rf "$part"
        exit 0
    fi
fi
note end failed "$code" "$(now)" "$id"
leave
echo "$part: the job did not complete (exit status $code)" >&2
exit 1
