#!/bin/sh
# Runs one job of the plan: `sh task.sh 7` runs line 7 of jobs.tsv. Any scheduler can call it, and
# again: a job that is complete is not run twice. A copy of a job works in a folder of its own,
# NAME.part.ID, which becomes NAME when it is complete, and NAME.part when it has failed.
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

# A file of its own for each job: appending to one file from many nodes is not safe on NFS.
note() {
    mkdir -p "$outputs/status"
    (IFS=$(printf '\t') && printf '%s\n' "$*" >>"$status")
}

is_complete() { [ "$(cat "$1/done.txt" 2>/dev/null)" = Complete ]; }

# move FROM TO: a rename that fails if TO is there, and never moves into it.
move() {
    mv -T "$1" "$2" 2>/dev/null && return
    if [ -e "$2" ] || ! mv "$1" "$2"; then return 1; fi
    # Without -T, mv has moved into a folder that another copy has made meanwhile.
    inside=$2/${1##*/}
    if [ -e "$inside" ]; then
        mv "$inside" "$1"
        return 1
    fi
}

# Leaves what an attempt that failed has made where people look for it, instead of an older one.
leave() {
    rm -rf "$temporary"
    if ! is_complete "$folder"; then
        rm -rf "$folder.part"
        move "$part" "$folder.part" && part=$folder.part
    fi
}

# Ends a job whose run was moved as it ran, and leaves nothing to the run in its place: a folder
# without the stamp is one that CellProfiler made there itself.
still_ours() {
    is_ours && return
    rm -rf "$temporary"
    [ -e "$stamp" ] || rm -rf "$part"
    not_ours "what the job made does not count"
}

run() {
@modules@
@run@
}

# Schedulers send a signal some seconds before they kill a job. stopped [STATE]: what is noted.
stopped() {
    trap '' $signals
    state=${1:-terminated}
    # A timer can be early.
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
    echo "$folder: complete already"
    exit 0
fi

# Nobody else's, even if another copy of this job runs, or ran before a requeue.
base=$folder.part.$(printf %s "$id" | tr -c '[:alnum:]-' _)
part=$base try=1
mkdir -p "$outputs" || exit 1
until mkdir "$part" 2>/dev/null; do
    [ -d "$part" ] || mkdir "$part" || exit 1
    try=$((try + 1)) part=$base.$try
done
temporary=$part/tmp
if [ -n "${CPEXPORT_TMPDIR:-}" ]; then temporary=$CPEXPORT_TMPDIR/${part##*/}; fi
mkdir -p "$temporary" || exit 1
# What an attempt that failed left would be taken for this one's.
rm -rf "$folder.part"
# Where these few bytes have no room, what CellProfiler makes in hours has none.
stamp=$part/batch_file.sha256
problem=
if ! printf '%s  %s\n' "$sha256" "$batch_file" >"$stamp" || [ ! -s "$stamp" ] ||
    ! note start "$image_sets" "$id" "$(now)" "$minutes" "$(field 8)" "$plan" \
        "$(uname -n)"; then
    # An empty one would be taken for a damaged one.
    rm -f "$stamp"
    problem="$outputs: cannot be written on $(uname -n); make room there"
fi

# When it is to end, in seconds since 1970, as far as anybody says.
until=${SLURM_JOB_END_TIME:-}
if [ -z "$until" ] && [ -n "$minutes" ]; then until=$(($(date +%s) + minutes * 60)); fi
child=
signals="HUP INT TERM USR1 USR2 XCPU"
trap stopped HUP INT TERM USR2
# Grid Engine's of a soft limit.
trap 'stopped timeout' USR1 XCPU

# Reading the batch file whole in each of 10^5 jobs would be terabytes: that is for a copy of it.
if [ -n "$problem" ]; then
    :
elif [ -e "$folder" ]; then
    problem="$folder: there already, and not complete; cpexport check --resubmit gives the job another"
elif [ ! -r "$batch_file" ]; then
    problem="$batch_file: cannot be read on $(uname -n); see that it is where it was planned"
elif [ "$(stat -L -c '%s %Y' "$batch_file" 2>/dev/null)" != "$size_and_time" ] &&
    [ "$(sha256sum <"$batch_file" | cut -d' ' -f1)" != "$sha256" ]; then
    problem="$batch_file: not the batch file of this plan; make the plan again"
fi

if [ -n "$problem" ]; then
    echo "$problem" >"$part/job.log" || echo "$problem" >&2
    code=1
else
    if [ -n "$first" ]; then set -- -f "$first" -l "$last"; else set -- -g "$group"; fi
    # What it says is in its folder, where check finds it whatever the scheduler does with its own
    # log. No pipe to both: a program that CellProfiler leaves behind would keep it open, and the
    # job waiting.
    echo "what CellProfiler says meanwhile is in $part/job.log"
    # In the background, as a shell heeds no signal while it waits for a command.
    (run -c -r -p "$batch_file" "$@" -o "$part" -t "$temporary" -d "$part/done.txt"@measurements@) \
        </dev/null >"$part/job.log" 2>&1 &
    child=$!
    wait "$child"
    code=$?
fi
trap '' $signals
cat "$part/job.log"
still_ours

# The exit status alone is no sign: without a done file it is 0 whatever happened.
# Without the stamp the folder is not the one made above, which was moved away with its run.
if is_complete "$part" && [ -f "$stamp" ]; then
    rm -rf "$temporary"
    if move "$part" "$folder"; then
        note end complete "$code" "$(now)" "$id"
        # What failed before, and what this job left when it was requeued.
        rm -rf "$folder.part" "$base" "$base".[0-9]*
        exit 0
    elif is_complete "$folder"; then
        note end complete "$code" "$(now)" "$id"
        echo "$folder: another copy of this job was complete first, so what this one made is removed" >&2
        rm -rf "$part"
        exit 0
    fi
fi
note end failed "$code" "$(now)" "$id"
leave
echo "$part: the job did not complete (exit status $code)" >&2
exit 1
