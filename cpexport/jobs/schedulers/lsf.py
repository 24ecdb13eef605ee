"""IBM's LSF. It is never asked about jobs: their records alone say what became of them."""

from cpexport.jobs.schedulers.base import Scheduler
from cpexport.jobs.settings import clock


class Lsf(Scheduler):
    """LSF. It reads array.sh when a job starts, and takes `%J` and `%I` in paths for ids."""

    title = "LSF"
    index = "$LSB_JOBINDEX"
    array = "${LSB_JOBID}"
    longest = 1000
    partition = "-q {}"
    memory = "-M {0}MB -R rusage[mem={0}MB]"
    at_once = "%{}"
    chain = '${previous:+-w "ended($previous)"}'
    holding = ("-H",)
    holding_with = ("-w",)
    queue = "bjobs -J cpexport"
    forbidden = ("%J", "%I")

    def time(self, minutes: int) -> str:
        # LSF counts hours and minutes; the other schedulers count seconds too.
        return f"-W {clock(minutes)[:-3]}"
