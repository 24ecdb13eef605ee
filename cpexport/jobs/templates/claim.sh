status=$outputs/status
lock=$status/submit.lock

stop() {
    echo "$*" >&2
    exit 1
}

mkdir -p "$here/logs" "$status" || stop "nothing was submitted"

# One person submits at a time, and must be able to write here: mkdir is atomic, also on NFS.
if ! mkdir "$lock" 2>/dev/null; then
    [ -d "$lock" ] || stop "$status: cannot be written, so nothing was submitted; free some space" \
        "there, or ask its owner for write permission"
    stop "$lock: $(cat "$lock/who" 2>/dev/null || echo another user) is submitting jobs for these" \
        "outputs, so nothing was submitted; wait until that ends, or remove this folder if it has" \
        "ended"
fi
trap 'rm -rf "$lock"' EXIT
trap 'exit 130' INT
trap 'exit 143' HUP TERM
echo "$(id -un 2>/dev/null || id -u) on $(uname -n) (process $$, $(date))" >"$lock/who" ||
    stop "$status: cannot be written, so nothing was submitted; free some space there"

# record [ID]: records the COUNT jobs after OFFSET. It lists the image sets of each job, because
# this folder may be gone when they are needed. The number of jobs shows whether the list is
# truncated. Without an id the record says that the jobs are being submitted.
record() {
    {
        printf '@scheduler_word@\t%s\t%s\n' "${1-}" "$count" &&
            sed -n "$((offset + 1)),$((offset + count))p" "$here/jobs.tsv" | cut -f6
    } >"$record.new" && [ "$(wc -l <"$record.new")" -eq $((count + 1)) ] &&
        mv -f "$record.new" "$record" && return
    rm -f "$record.new"
    return 1
}

# The records that existed when the plan was made, each with its first line: scheduler and id.
known=@known@

# Stops if another plan's jobs on the same image sets were submitted since this plan was made. File
# times cannot show that: the clocks of several machines set them, and copies have new times.
refuse_again() {
    others=
    for other in "$status"/*.submitted; do
        name=${other##*/}
        case $name in '*.submitted' | @plan@.*) continue ;; esac
        [ -r "$other" ] || stop "$other: cannot be read, and may have the same image sets, so" \
            "nothing more was submitted; ask its owner for read permission"
        theirs=
        IFS= read -r theirs <"$other" || :
        case "
$known
" in *"
$name	$theirs
"*) continue ;; esac
        others="$others $name"
    done
    [ -n "$others" ] || return 0
    both=$(
        {
            sed -n "$((offset + 1)),$((offset + count))p" "$here/jobs.tsv" | cut -f6
            # The names have no spaces.
            for other in $others; do
                echo
                sed 1d "$status/$other"
            done
        } | awk -F, '
            NF == 0 { theirs = 1 }
            {
                for (i = 1; i <= NF; i++) {
                    n = split($i, ends, "-")
                    for (set = ends[1] + 0; set <= ends[n] + 0; set++)
                        if (!theirs) mine[set]
                        else if (set in mine) { print set; exit }
                }
            }'
    )
    [ -z "$both" ] || stop "image set $both is in jobs that were submitted after this plan was" \
        "made ($status: $(echo $others)); plan the rest: cpexport check '$outputs' --resubmit" \
        "NEW_FOLDER"
}
