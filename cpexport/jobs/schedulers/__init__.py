"""Schedulers, a class each. A new one needs its module here and an entry in `SCHEDULERS`.

Its name also goes into `jobs.settings.SCHEDULER_NAMES`.
"""

from collections.abc import Mapping
from typing import Final

from cpexport.jobs.schedulers.base import Scheduler
from cpexport.jobs.schedulers.grid_engine import GridEngine
from cpexport.jobs.schedulers.lsf import Lsf
from cpexport.jobs.schedulers.pbs import Pbs
from cpexport.jobs.schedulers.slurm import Slurm

SCHEDULERS: Final[Mapping[str, Scheduler]] = {
    "slurm": Slurm(),
    "sge": GridEngine(),
    "lsf": Lsf(),
    "pbs": Pbs(),
}
