# The longest array. MaxArraySize is one more than the largest index; each task counts as a job
# towards the limits of the site and of a user.
longest=$(
    {
        scontrol show config 2>/dev/null | awk '
            $1 == "MaxArraySize" || $1 == "MaxJobCount" { print $3 - 1 }
            $1 == "SchedulerParameters" && match($0, /max_array_tasks=[0-9]+/) {
                print substr($0, RSTART + 16, RLENGTH - 16)
            }'
        sacctmgr -n -P show assoc user="$(id -un 2>/dev/null)" format=MaxSubmitJobs 2>/dev/null ||
            true
    } | grep '^[1-9][0-9]*$' | sort -n | head -n 1
)
longest=${longest:-@longest@}

# submit COUNT OFFSET [OPTION...]: prints the id of the array job.
submit() {
    id=$(n=$1 o=$2 && shift 2 && sbatch --parsable --job-name=cpexport --array="1-$n@at_once@" \
        --output=@output@ @options@ "$@" @chain@ "$here/array.sh" "$o") || return
    echo "${id%%;*}"
}

# afterany, not afterok: with afterok, the last job would wait forever after one failed job. The
# option comes last, because only the last dependency counts.
submit_last() {
    id=$(sbatch --parsable --job-name=cpexport-merge --output=@last_output@ @last_options@ \
        @limits@ --dependency="afterany$(printf ':%s' "$@")" "$here/array.sh" merge) || return 1
    fit "${id%%;*}"
    echo "${id%%;*}"
}

# fit ID: limits a job to the time that its partition allows; with more it would wait forever.
fit() {
    partition=$(squeue -h -j "$1" -o %P) && most=$(
        {
            squeue -h -j "$1" -o %l
            sinfo -h -p "$partition" -o %l
        } | awk '
            function seconds(text) {
                if (text !~ /^[0-9]/) return 1e9
                n = split(text, days, "-"); m = split(days[n], clock, ":"); s = 0
                for (i = 1; i <= m; i++) s = s * 60 + clock[i]
                return (n > 1 ? days[1] * 86400 : 0) + s
            }
            NR == 1 { asked = seconds($1); next }
            seconds($1) > most { most = seconds($1); text = $1 }
            END { if (most && asked > most) print text }'
    ) || return 0
    if [ -n "$most" ] && scontrol update "JobId=$1" "TimeLimit=$most" >&2; then
        echo "job $1 gets $most, the most that its partition allows" >&2
    fi
}

cancel() { scancel "$1"; }
