# MaxArraySize is one more than the largest index.
longest=$(scontrol show config | sed -n 's/^MaxArraySize *= *//p')
longest=$((${longest:-1001} - 1))

# submit COUNT OFFSET [OPTION...]: prints the id of the array job.
submit() {
    id=$(n=$1 o=$2 && shift 2 && sbatch --parsable --job-name=cpexport --array="1-$n@at_once@" \
        --output=@logs@/%A_%a.log @options@ "$@" "$here/array.sh" "$o") || return 1
    echo "${id%%;*}"
}

# afterany, not afterok: after one failed job afterok would wait for ever.
submit_last() {
    id=$(sbatch --parsable --job-name=cpexport-merge --output=@logs@/merge_%j.log \
        --dependency="afterany$(printf ':%s' "$@")" @options@ @limits@ "$here/merge.sh") || return 1
    echo "${id%%;*}"
}
