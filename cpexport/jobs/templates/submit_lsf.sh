longest=$(bparams -a 2>/dev/null | sed -n 's/^ *MAX_JOB_ARRAY_SIZE *= *\([1-9][0-9]*\).*/\1/p')
longest=${longest:-@longest@}

# bsub joins the words of a command and passes them to a shell, so paths are quoted twice. It keeps
# no copy of array.sh, which may belong to another plan when a job starts, so the words name this
# plan.
# submit COUNT OFFSET [OPTION...]: prints the id of the array job, from "Job <12> is submitted ...".
submit() {
    said=$(n=$1 o=$2 && shift 2 && bsub -J "cpexport[1-$n]@at_once@" -o "$here/logs/%J_%I.log" \
        @options@ "$@" @chain@ sh @array_twice_quoted@ "$o" @plan@) || return
    echo "$said" | sed -n 's/^Job <\([0-9]*\)>.*/\1/p'
}

# ended, not done: with done, the last job would wait forever after one failed job.
submit_last() {
    said=$(bsub -J cpexport-merge -o "$here/logs/merge_%J.log" @last_options@ @limits@ \
        -w "$(printf 'ended(%s) && ' "$@" | sed 's/ && $//')" \
        sh @array_twice_quoted@ merge @plan@) || return 1
    echo "$said" | sed -n 's/^Job <\([0-9]*\)>.*/\1/p'
}

cancel() { bkill "$1"; }
