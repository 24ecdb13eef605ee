longest=@longest@

# submit COUNT OFFSET [OPTION...]: prints the id of the array job. PBS knows no array of one.
submit() {
    n=$1 o=$2
    shift 2
    if [ "$n" -gt 1 ]; then set -- -J "1-$n@at_once@" "$@"; fi
    qsub -V -v CPEXPORT_OFFSET="$o" -N cpexport -j oe -o "$here/logs/" @options@ "$@" "$here/array.sh"
}

# afterany, not afterok: after one failed job afterok would wait for ever.
submit_last() {
    qsub -V -N cpexport-merge -j oe -o "$here/logs/" -W depend="afterany$(printf ':%s' "$@")" \
        @options@ @limits@ "$here/merge.sh"
}
