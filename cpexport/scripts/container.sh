    # All that CellProfiler reads and writes. What is not there cannot be bound.
    set -- @container@ @words@ "$@"
    for bound in "$here" "$outputs" "$(dirname "$batch_file")" "${CPEXPORT_TMPDIR:-}" @folders@; do
        if [ -d "$bound" ]; then set -- --bind "$bound" "$@"; fi
    done
    exec "$(command -v apptainer || command -v singularity)" exec "$@"
