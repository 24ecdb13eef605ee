#!/bin/sh
# Runs run_batch.py by the Python that `cellprofiler` itself is run by, which its first lines name.
# CPEXPORT_PYTHON names it where they do not.
found=$(command -v cellprofiler)
python=${CPEXPORT_PYTHON:-$(sed -n \
    -e '1s/^#! *\(.*python[^ ]*\).*/\1/p' \
    -e "2s/^'''exec' \"\{0,1\}\([^\"]*python[^\" ]*\).*/\1/p" "${found:-/dev/null}" | head -n 1)}
if [ -z "$python" ]; then
    echo "which Python runs ${found:-cellprofiler}? Name it in CPEXPORT_PYTHON" >&2
    exit 1
fi
# Unquoted, as it may be `/usr/bin/env python3`.
exec $python @here@/run_batch.py "$@"
