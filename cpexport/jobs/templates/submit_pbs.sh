longest=$(qstat -Bf 2>/dev/null | sed -n 's/^ *max_array_size = \([1-9][0-9]*\).*/\1/p' | head -n 1)
longest=${longest:-@longest@}

# submit COUNT OFFSET [OPTION...]: prints the id of the array job. PBS has no arrays of one job.
submit() {
    n=$1 o=$2
    shift 2
    if [ "$n" -gt 1 ]; then set -- -J "1-$n@at_once@" "$@"; fi
    qsub -V -v CPEXPORT_OFFSET="$o" -N cpexport -j oe -o "$here/logs/" @options@ "$@" @chain@ \
        "$here/array.sh"
}

# afterany, not afterok: with afterok, the last job would wait forever after one failed job.
submit_last() {
    qsub -V -v CPEXPORT_OFFSET=merge -N cpexport-merge -j oe -o "$here/logs/" @last_options@ \
        @limits@ -W depend="afterany$(printf ':%s' "$@")" "$here/array.sh"
}

cancel() { qdel "$1"; }
