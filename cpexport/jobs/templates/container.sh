    # All folders that CellProfiler reads and writes. Only existing folders can be bound.
    set -- @container@ @words@ "$@"
    for bound in "$here" "$outputs" "$(dirname "$batch_file")" "${CPEXPORT_TMPDIR:-}" @folders@; do
        if [ -d "$bound" ]; then set -- --bind "$bound" "$@"; fi
    done
    exec "$(command -v apptainer || command -v singularity)" exec "$@"
