#!/bin/sh
# Runs run_batch.py with the Python of `cellprofiler`, which the first lines of that command name.
# Set CPEXPORT_PYTHON if they do not.
found=$(command -v cellprofiler)
python=${CPEXPORT_PYTHON:-$(sed -n \
    -e '1s/^#! *\(.*python[^ ]*\).*/\1/p' \
    -e "2s/^'''exec' \"\{0,1\}\([^\"]*python[^\" ]*\).*/\1/p" "${found:-/dev/null}" | head -n 1)}
if [ -z "$python" ]; then
    echo "cannot find the Python of ${found:-cellprofiler}; set CPEXPORT_PYTHON to its path" >&2
    exit 1
fi
# Unquoted, because it may be `/usr/bin/env python3`.
exec $python @here@/run_batch.py "$@"
