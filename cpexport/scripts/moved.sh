# These files name the places that they were planned for. Where another run may be by now.
real=$(cd "$(dirname "$0")" && pwd -P)
if [ -f "$real/plan.json" ] && [ "$real" != "$(cd "$here" 2>/dev/null && pwd -P)" ]; then
    echo "$real was moved or copied from $here, so nothing was done; plan what is missing" \
        "where it is now: cpexport check '$real' --resubmit NEW_FOLDER" >&2
    exit 1
fi
