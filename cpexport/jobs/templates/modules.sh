# `module` is a function of login shells; a job has to define it first.
if ! command -v module >/dev/null 2>&1; then
    for init in "${LMOD_PKG:-}/init/sh" "${MODULESHOME:-}/init/sh" \
        /etc/profile.d/modules.sh /etc/profile.d/lmod.sh /etc/profile.d/z00_lmod.sh; do
        if [ -r "$init" ]; then set +u; . "$init"; break; fi
    done
fi
set +u
# A shell's exit status for a missing program.
module load @modules@ || exit 127
set -u
