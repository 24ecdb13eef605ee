#!/bin/sh
# Runs one job of the plan: `sh task.sh 7` runs line 7 of jobs.tsv. Any scheduler can call it, and
# again: a job that is complete is not run twice, and one that is not leaves its folder as `.part`.
set -u
here=@here@
outputs=@outputs@
batch_file=@batch_file@
sha256=@sha256@
plan=@plan@

line=$(sed -n "${1:?the number of a line of jobs.tsv}p" "$here/jobs.tsv")
field() { printf '%s\n' "$line" | cut -f"$1"; }
first=$(field 2) last=$(field 3) group=$(field 4) name=$(field 5) image_sets=$(field 6)
if [ -z "$name" ]; then
    echo "$here/jobs.tsv: no line $1" >&2
    exit 1
fi
folder=$outputs/$name
part=$folder.part
temporary=${CPEXPORT_TMPDIR:+$CPEXPORT_TMPDIR/$name.$$}
temporary=${temporary:-$part/tmp}
status=$outputs/status/$name.status

# A file of its own for each job: appending to one file from many nodes is not safe on NFS.
note() {
    mkdir -p "$outputs/status"
    (IFS=$(printf '\t') && printf '%s\n' "$*" >>"$status")
}

run() {
@modules@
    @run@ "$@"
}

if [ "$(cat "$folder/done.txt" 2>/dev/null)" = Complete ]; then
    echo "$folder: complete already"
    exit 0
fi
if [ -e "$folder" ]; then
    echo "$folder: there already, and not complete; cpexport check --resubmit gives the job another" >&2
    exit 1
fi
if [ "$(sha256sum <"$batch_file" | cut -d' ' -f1)" != "$sha256" ]; then
    echo "$batch_file: not the batch file of this plan; make the plan again" >&2
    exit 1
fi

# What an earlier try left would be taken for this one's: its done file above all.
rm -rf "$part"
mkdir -p "$part" "$temporary" || exit 1
printf '%s  %s\n' "$sha256" "$batch_file" >"$part/batch_file.sha256"
note start "$image_sets" "${CPEXPORT_JOB:-shell:$(uname -n):$$}" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
    "$(field 7)" "$(field 8)" "$plan"

if [ -n "$first" ]; then set -- -f "$first" -l "$last"; else set -- -g "$group"; fi
# What it says is in its folder, where check finds it whatever the scheduler does with its own log.
# No pipe to both: a program that CellProfiler leaves behind would keep it open, and the job waiting.
echo "what CellProfiler says meanwhile is in $part/job.log"
(run -c -r -p "$batch_file" "$@" -o "$part" -t "$temporary" -d "$part/done.txt"@measurements@) \
    </dev/null >"$part/job.log" 2>&1
code=$?
cat "$part/job.log"
rm -rf "$temporary"

# The exit status alone is no sign: without a done file it is 0 whatever happened.
if [ "$(cat "$part/done.txt" 2>/dev/null)" = Complete ] && mv "$part" "$folder"; then
    note end complete "$code" "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
    exit 0
fi
note end failed "$code" "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
echo "$part: the job did not complete (exit status $code)" >&2
exit 1
