longest=@longest@

# submit COUNT OFFSET [OPTION...]: prints the id of the array job, from "Job <12> is submitted ...".
submit() {
    said=$(n=$1 o=$2 && shift 2 && bsub -J "cpexport[1-$n]@at_once@" -o "$here/logs/%J_%I.log" \
        @options@ "$@" sh "$here/array.sh" "$o") || return 1
    echo "$said" | sed -n 's/^Job <\([0-9]*\)>.*/\1/p'
}

# ended, not done: after one failed job done would wait for ever.
submit_last() {
    said=$(bsub -J cpexport-merge -o "$here/logs/merge_%J.log" \
        -w "$(printf 'ended(%s) && ' "$@" | sed 's/ && $//')" \
        @options@ @limits@ sh "$here/merge.sh") || return 1
    echo "$said" | sed -n 's/^Job <\([0-9]*\)>.*/\1/p'
}
