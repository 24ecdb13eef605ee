longest=$(qconf -sconf 2>/dev/null | awk '$1 == "max_aj_tasks" && $2 > 0 { print $2 }')
longest=${longest:-@longest@}

# array.sh writes its own log, because some characters that a path may have are special to -o.
# submit COUNT OFFSET [OPTION...]: prints the id of the array job.
submit() {
    id=$(n=$1 o=$2 && shift 2 && qsub -terse -V -S /bin/sh -j y -o /dev/null -N cpexport \
        -t "1-$n" @at_once@ @options@ "$@" @chain@ "$here/array.sh" "$o") || return
    echo "${id%%.*}"
}

# A job held by -hold_jid runs when the others have ended, whether they failed or not.
submit_last() {
    qsub -terse -V -S /bin/sh -j y -o /dev/null -N cpexport-merge @last_options@ @limits@ \
        -hold_jid "$(echo "$@" | tr ' ' ,)" "$here/array.sh" merge
}

cancel() { qdel "$1"; }
