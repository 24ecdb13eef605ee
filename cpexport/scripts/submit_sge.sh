longest=@longest@

# submit COUNT OFFSET [OPTION...]: prints the id of the array job.
submit() {
    id=$(n=$1 o=$2 && shift 2 && qsub -terse -V -S /bin/sh -j y -N cpexport -t "1-$n" @at_once@ \
        -o "$here/logs" @options@ "$@" "$here/array.sh" "$o") || return 1
    echo "${id%%.*}"
}

# A job that is held runs when the others have ended, well or not.
submit_last() {
    qsub -terse -V -S /bin/sh -j y -N cpexport-merge -hold_jid "$(echo "$@" | tr ' ' ,)" \
        -o "$here/logs" @options@ @limits@ "$here/merge.sh"
}
