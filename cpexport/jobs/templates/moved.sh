# These files name the folders that they were planned for, which may hold another run by now.
real=$(cd "$(dirname "$0")" && pwd -P)
if [ -f "$real/plan.json" ] && [ "$real" != "$(cd "$here" 2>/dev/null && pwd -P)" ]; then
    echo "$real was moved or copied from $here, so nothing was done; plan the missing image sets" \
        "in the new place: cpexport check '$real' --resubmit NEW_FOLDER" >&2
    exit 1
fi
home=@home@
# Whether the outputs still belong to the run that this plan is for. The plan next to them shows it;
# if that plan has been deleted or damaged since, the outputs count as ours.
is_ours() {
    beside=$(sed -n '/^ *"id": /{s/.*: "\([0-9a-f]*\)".*/\1/p;q;}' "$home/plan.json" 2>/dev/null)
    [ "$beside" = "@beside@" ] && return
    [ -z "$beside" ] && { [ -f "$home/plan.json" ] || [ "$home" = "$here" ]; }
}
not_ours() {
    echo "$home: not the run that was planned in $here; that run was moved, so $1; plan its" \
        "missing image sets in its new place: cpexport check RUN --resubmit NEW_FOLDER" >&2
    exit 1
}
is_ours || not_ours "nothing was done"
