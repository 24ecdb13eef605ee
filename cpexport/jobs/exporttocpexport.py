"""
ExportToCpexport
================

**ExportToCpexport** keeps the measurements of each job in a file of its own, and adds them to one
database as the job ends, each exactly once, however many jobs end at the same time.

Place it after all modules that measure. **CreateBatchFiles** remains the last module. The module
needs the program *cpexport*, in a Python of its own, to load databases and to write import
scripts; to keep measurement files it needs nothing.

|

============ ============ ===============
Supports 2D? Supports 3D? Respects masks?
============ ============ ===============
YES          YES          NO
============ ============ ===============

What a job leaves
^^^^^^^^^^^^^^^^^

A job that ends with *Complete* leaves ``measurements.h5`` in its output folder: everything that it
measured, with full precision. A job that fails leaves ``measurements.h5.part`` with the image sets
that it finished; a job that is killed leaves neither. CellProfiler 4 and 5 delete this file at the
end of a job unless this module keeps it.

If the database cannot be reached when a job ends, the measurement file stays, and the job's log
has the command that loads it later.

See also
^^^^^^^^

See also **ExportToDatabase** and **CreateBatchFiles**.
"""

import atexit
import contextlib
import errno
import itertools
import logging
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import time
import types
import weakref
from pathlib import Path, PurePath, PureWindowsPath

import h5py
from cellprofiler_core.module import Module
from cellprofiler_core.preferences import (
    ABSOLUTE_FOLDER_NAME,
    DEFAULT_OUTPUT_FOLDER_NAME,
    DEFAULT_OUTPUT_SUBFOLDER_NAME,
    get_headless,
)
from cellprofiler_core.setting import Binary, ValidationError
from cellprofiler_core.setting.choice import Choice
from cellprofiler_core.setting.multichoice import MeasurementMultiChoice
from cellprofiler_core.setting.subscriber import LabelListSubscriber
from cellprofiler_core.setting.text import Directory, Text

# CellProfiler 3 has Python 2, whose error shows this line, as it is the first that it cannot read.
NEEDS: str = "CellProfiler 4.2 or newer"

LOGGER = logging.getLogger(__name__)

# In the order of ExportToDatabase's settings where it has the same.
KEEP = "Only keep the measurement file"
LOAD = "Load it into a database"
SCRIPT = "Add it to an import script"
SQLITE = "SQLite"
SERVER = "MySQL or MariaDB"
LAYOUTS = {
    "One table per object type": "separate",
    "Single object table": "combined",
    "Single object view": "view",
    "No object tables": "none",
}
DIALECTS = {"MySQL or MariaDB": "mysql", "SQLite": "sqlite"}
FOLDERS = [ABSOLUTE_FOLDER_NAME, DEFAULT_OUTPUT_FOLDER_NAME, DEFAULT_OUTPUT_SUBFOLDER_NAME]

# Seconds to wait before each further attempt to load.
PAUSES = (5, 30)
# CellProfiler adds Exit_Status and the time to the file after `post_run`: 32 KB each.
MARGIN = 1 << 20
# Linux takes words of 128 KB.
LONGEST_WORD = 100_000
# What a file system answers that reserves no room. Then the copy itself shows whether it fits.
CANNOT_RESERVE = (errno.EBADF, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
COMPLETE = "Complete"
# The exit statuses of cpexport: all is loaded, or what is complete is and the rest is named; and
# wrong words, which stay wrong.
DONE = (0, 3)
WRONG = 2
# A user with a password, or an option that is one.
PASSWORD = re.compile(r"://[^/@]*:.*@|[?&]pass(word|wd)=", re.IGNORECASE)
# The variables that a bundled Python sets for itself, and that break any other Python.
FOREIGN = ("PYTHONHOME", "PYTHONPATH", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__")


class ExportToCpexport(Module):
    """The module. CellProfiler calls its methods in this order:

    `create_settings`, `settings`, `visible_settings`, `validate_module`: as a pipeline is edited.
    `prepare_run`: before the first image set.
    `prepare_to_create_batch`: as CreateBatchFiles writes the batch file, which ends that run.
    `run`: for each image set; where the windows have several workers, in these.
    `post_run`: after the last image set. Then CellProfiler adds the Exit_Status to the measurement
    file, and closes and deletes it. In jobs, `keep_when_closed` keeps it at this moment; the
    windows never close it that way, so `post_run` copies it.
    """

    module_name = "ExportToCpexport"
    category = "File Processing"
    variable_revision_number = 1

    def create_settings(self):
        self.directory = Directory(
            "Output file location",
            dir_choices=FOLDERS,
            allow_metadata=False,
            doc=f"""\
The folder of the measurement file. Jobs of a cluster usually have an output folder each (option
``-o``), so choose *{DEFAULT_OUTPUT_FOLDER_NAME}*. If jobs share a folder, a job whose file name is
taken adds the numbers of its image sets to the name.""",
        )
        self.directory.dir_choice = DEFAULT_OUTPUT_FOLDER_NAME
        self.file_name = Text(
            "Name of the measurement file",
            "measurements.h5",
            doc="The file's name ends in *.h5*. The file holds all that the job measured.",
        )
        self.action = Choice(
            "What to do with the measurement file",
            [KEEP, LOAD, SCRIPT],
            doc=f"""\
As soon as a job has ended:

-  *{KEEP}*: nothing more. Load all files later with ``cpexport load``.
-  *{LOAD}*: load this job's image sets with ``cpexport load``. Jobs that end at the same time wait
   for each other.
-  *{SCRIPT}*: add them to a folder of CSV files with a script that imports them, with
   ``cpexport script``. This is for servers that jobs cannot reach.""",
        )
        self.database = Choice(
            "Database type",
            [SQLITE, SERVER],
            doc="""\
Where to load: a file, or a database server. If jobs run on several computers, the file needs a disk
with locks that work between them, which many NFS servers lack.""",
        )
        self.shared = Directory(
            "Folder that all jobs share",
            dir_choices=FOLDERS,
            allow_metadata=False,
            doc=f"""\
The folder of the SQLite file, of the properties file, and of the import script. All jobs use the
same folder: **CreateBatchFiles** stores its full path, with its path mappings applied. Jobs that
run a pipeline without it have a default output folder each (``-o``), so choose
*{ABSOLUTE_FOLDER_NAME}* for these.""",
        )
        self.shared.dir_choice = DEFAULT_OUTPUT_FOLDER_NAME
        self.sqlite_file = Text(
            "Name of the SQLite database file",
            "DefaultDB.db",
            doc="*(Used only with SQLite)* The first job that ends makes the file.",
        )
        self.url = Text(
            "Database URL",
            "mysql+pymysql://HOST/DATABASE",
            doc="""\
*(Used only with MySQL or MariaDB)* The server and the database, for example
``mysql+pymysql://dbserver/screens`` or ``mysql+pymysql://dbserver:3307/screens``. Pipelines and
batch files are read by many people, so no password may be in it: name an option file.""",
        )
        self.option_file = Text(
            "MySQL option file",
            "",
            doc="""\
*(Used only with MySQL or MariaDB)* The full path of a file with the lines ``[client]``,
``user=...`` and ``password=...``, which jobs can read and other people cannot. If it is empty,
``~/.my.cnf`` of the user who runs the jobs counts.""",
        )
        self.script_folder = Text(
            "Name of the import script's folder",
            "import",
            doc="*(Used only with an import script)* The first job that ends makes the folder.",
        )
        self.dialect = Choice(
            "Client that runs the import script",
            list(DIALECTS),
            doc="*(Used only with an import script)* Whose client reads the script.",
        )
        self.prefix = Text(
            "Table prefix",
            "MyExpt_",
            doc="""\
Begins the name of each table, for example ``MyExpt_Per_Image``. Several experiments can share a
database if each has a prefix of its own. Leave it empty for no prefix.""",
        )
        self.layout = Choice(
            "Create one table per object, a single object table or a single object view?",
            list(LAYOUTS),
            doc="The tables of objects, as **ExportToDatabase** makes them.",
        )
        self.all_objects = Binary(
            "Export measurements for all objects?",
            True,
            doc="Select *No* to choose the objects whose tables are made.",
        )
        self.objects = LabelListSubscriber(
            "Select the objects to export",
            [],
            doc="*(Used only if not all objects are exported)* The measurement file has them all.",
        )
        self.leaves_out = Binary(
            "Leave out some measurements?",
            False,
            doc="Select *Yes* to choose measurements that get no columns.",
        )
        self.left_out = MeasurementMultiChoice(
            "Press button to select measurements to leave out",
            doc="""\
*(Used only if some measurements are left out)* The measurement file has them all. Names of images,
metadata, groups and object numbers always stay in the tables.""",
        )
        self.means = Binary(
            "Calculate the per-image mean values of object measurements?",
            False,
            doc="Adds a column ``Mean_...`` to the table of images for each object measurement.",
        )
        self.medians = Binary(
            "Calculate the per-image median values of object measurements?",
            False,
            doc="Adds a column ``Median_...`` to the table of images for each object measurement.",
        )
        self.deviations = Binary(
            "Calculate the per-image standard deviation values of object measurements?",
            False,
            doc="Adds a column ``StDev_...`` to the table of images for each object measurement.",
        )
        self.properties = Binary(
            "Create a CellProfiler Analyst properties file?",
            False,
            doc="The file is in the shared folder. No password is in it.",
        )
        self.command = Text(
            "Path of the cpexport command",
            "cpexport",
            doc="""\
The command, or its full path, on the computers that run the jobs. It needs Python 3.11, so it is
in an environment of its own. In a copy of its repository, ``python3.11 -m venv /shared/cpexport;
/shared/cpexport/bin/pip install '.[mysql]'`` makes ``/shared/cpexport/bin/cpexport``.""",
        )

    def settings(self):
        # Their order is that of the values in pipelines, so it never changes.
        return [
            self.directory,
            self.file_name,
            self.action,
            self.database,
            self.shared,
            self.sqlite_file,
            self.url,
            self.option_file,
            self.script_folder,
            self.dialect,
            self.prefix,
            self.layout,
            self.all_objects,
            self.objects,
            self.leaves_out,
            self.left_out,
            self.means,
            self.medians,
            self.deviations,
            self.properties,
            self.command,
        ]

    def visible_settings(self):
        shown = [self.directory, self.file_name, self.action]
        if self.action == KEEP:
            return shown
        if self.action == SCRIPT:
            shown += [self.shared, self.script_folder, self.dialect]
        elif self.database == SQLITE:
            shown += [self.database, self.shared, self.sqlite_file]
        else:
            shown += [self.database, self.url, self.option_file]
        shown += [self.prefix, self.layout]
        if self.layout.value != "No object tables":
            shown += [self.all_objects] + ([] if self.all_objects.value else [self.objects])
        shown += [self.leaves_out] + ([self.left_out] if self.leaves_out.value else [])
        shown += [self.means, self.medians, self.deviations]
        if self.action == LOAD:
            shown.append(self.properties)
            if self.properties.value and self.database == SERVER:
                shown.append(self.shared)
        return [*shown, self.command]

    def upgrade_settings(self, setting_values, variable_revision_number, module_name):
        """Returns settings of an older revision as this one has them; there is none yet."""
        return setting_values, variable_revision_number

    def volumetric(self):
        return True

    def validate_module(self, pipeline):
        """Marks the setting that is wrong, as far as its text shows."""
        for setting, problem in self.wrong_settings(pipeline):
            raise ValidationError(problem, setting)

    def validate_module_warnings(self, pipeline):
        modules = pipeline.modules()
        for module in modules[modules.index(self) + 1 :]:
            if module.is_create_batch_module() or module.should_stop_writing_measurements():
                continue
            raise ValidationError(
                "Place ExportToCpexport after all modules that measure", self.directory
            )

    def wrong_settings(self, pipeline):
        """Yields settings that are wrong whatever the computer, each with what is wrong."""
        if any(isinstance(m, ExportToCpexport) and m is not self for m in pipeline.modules()):
            yield self.action, "a pipeline takes one ExportToCpexport; remove the others"
        name = self.file_name.value
        if PurePath(name).name != name or not name.lower().endswith((".h5", ".hdf5")):
            yield self.file_name, "name a file that ends in .h5, without a folder"
        if self.action != KEEP:
            command = self.command.value.strip()
            if not command or (is_relative(command) and PurePath(command).name != command):
                yield self.command, "name the cpexport command, or its full path"
            has_tables = self.layout.value != "No object tables"
            if has_tables and not self.all_objects.value and not self.objects.value:
                yield self.objects, "select objects, or no object tables"
            yield from self.wrong_destination()

    def wrong_destination(self):
        """Yields settings of the database or the script that are wrong whatever the computer."""
        if self.action == SCRIPT:
            folder = self.script_folder.value
            if not folder or PurePath(folder).name != folder:
                yield self.script_folder, "name a folder without a path"
        elif self.database == SQLITE:
            file = self.sqlite_file.value
            if not file or PurePath(file).name != file:
                yield self.sqlite_file, "name a file without a folder"
        elif PASSWORD.search(self.url.value):
            yield (
                self.url,
                (
                    "the URL has a password, which everyone who reads the pipeline would see; "
                    "write it into an option file, and name that file instead"
                ),
            )
        elif not self.url.value.startswith("mysql"):
            yield self.url, "write mysql+pymysql://HOST/DATABASE"
        elif self.option_file.value and is_relative(self.option_file.value):
            yield self.option_file, "name the full path of the option file"

    # The run

    def prepare_run(self, workspace):
        """Ends a run early if something would fail at its end; arranges that a job's measurements
        are kept."""
        pipeline = workspace.pipeline
        if pipeline.test_mode:
            return True
        problems = self.problems_of_run(pipeline)
        if problems:
            for problem in problems:
                LOGGER.error("ExportToCpexport: %s", problem)
            pipeline.report_prepare_run_error(self, "\n".join(problems))
            return False
        makes_batch_file = any(module.is_create_batch_module() for module in pipeline.modules())
        if get_headless() and (pipeline.in_batch_mode() or not makes_batch_file):
            self.keep_when_closed(workspace.measurements.hdf5_dict)
        return True

    def problems_of_run(self, pipeline):
        """What ends a run before its first image set.

        The destination is tried only by a run that is started here. A job of a batch file goes on
        without cpexport, as its measurements are kept whatever happens to the load; so does the run
        that makes a batch file for computers with other paths. These two are warned.
        """
        problems = [f"{setting.text}: {text}" for setting, text in self.wrong_settings(pipeline)]
        if not is_writable(self.folder):
            problems.append(f"{self.folder} cannot be written; choose another output file location")
        if self.action == KEEP:
            return problems
        if pipeline.in_batch_mode():
            if not self.found_command():
                LOGGER.warning("ExportToCpexport: %s", self.not_found())
        elif not problems:
            problems = list(self.problems_of_destination())
            if runs_elsewhere(pipeline):
                for problem in problems:
                    LOGGER.warning("ExportToCpexport: on this computer: %s", problem)
                return []
        return problems

    def problems_of_destination(self):
        """Yields what would make a load fail on this computer."""
        command = self.found_command()
        if not command:
            yield self.not_found()
            return
        if self.needs_shared():
            if not is_writable(self.shared_folder):
                yield (
                    f"{self.shared_folder} cannot be written; choose another folder that all jobs "
                    "share"
                )
                return
            self.shared_folder.mkdir(parents=True, exist_ok=True)
        asked = self.destination() + self.prefix_words() if self.action == LOAD else ["--help"]
        ran = run([command, "module", *asked])
        if ran.returncode == WRONG and "No such command" in ran.stderr:
            yield f"{command} is too old for this module; install the cpexport that it came with"
        elif ran.returncode:
            yield last_line(ran.stderr) or f"{command} ended with {ran.returncode}"

    def prepare_to_create_batch(self, workspace, fn_alter_path):
        """Stores the paths as the computers of the cluster see them."""
        self.directory.alter_for_create_batch_files(fn_alter_path)
        # Jobs have other default output folders, so the folder they share is named in full.
        self.shared.join_parts(ABSOLUTE_FOLDER_NAME, fn_alter_path(str(self.shared_folder)))
        for setting in (self.option_file, self.command):
            if Path(setting.value).name != setting.value:
                setting.value = fn_alter_path(setting.value)
        return True

    def run(self, workspace):
        # Only a file with an image set that came this far is worth keeping if the job fails.
        self.came_here = True

    def post_run(self, workspace):
        """Keeps the measurements of the windows; makes room for those of a job, which come later.

        CellProfiler counts a job in which this raises as failed.
        """
        if workspace.pipeline.test_mode:
            return
        measurements = workspace.measurements
        measurements.flush()
        store = measurements.hdf5_dict
        place = self.place(images_of(store.hdf5_file))
        if not hasattr(store, "kept_by_cpexport"):
            self.keep_of_windows(store, place)
        elif store.is_temporary:
            try:
                place.reserve(Path(store.filename))
            except OSError as error:
                raise RuntimeError(
                    f"the measurements cannot be kept in {self.folder}: "
                    f"{error.strerror or error}; free some space there, or choose another output "
                    "file location"
                ) from error

    # The measurement file

    @property
    def folder(self):
        """Where the measurement file goes."""
        # CellProfiler's default folder is relative if its option -o is.
        return Path(self.directory.get_absolute_path()).absolute()

    def keep_when_closed(self, store):
        """Replaces the method of this store that deletes its file.

        A job's file gets its Exit_Status after the `post_run` of all modules, and is deleted as it
        is closed (cellprofiler_core 4.2.8, `Pipeline.run_with_yield` and `HDF5Dict.close`).
        """
        module, close = self, store.close
        self.came_here = False

        def keep_and_close(store):
            if not hasattr(store, "hdf5_file"):
                return
            status, numbers = exit_status_and_numbers(store)
            file = Path(store.filename)
            if not store.is_temporary:
                close()
                # The caller keeps the file: cpexport's run_batch.py, for example.
                if status == COMPLETE:
                    module.deliver(file)
            elif status == COMPLETE or (module.came_here and numbers):
                store.is_temporary = False
                images = images_of(store.hdf5_file)
                close()
                module.keep(file, images, status)
            else:
                close()

        store.kept_by_cpexport = True
        store.close = types.MethodType(keep_and_close, store)
        # A run that an error ends before its file is closed: nothing would close it then, as the
        # store and its new method refer to each other.
        still_open = weakref.ref(store)
        atexit.register(lambda: still_open() is None or still_open().close())

    def place(self, images):
        return Place(self.folder, self.file_name.value, images)

    def keep(self, temporary, images, status):
        """Moves the closed file of a job, which has these images, to its place, and hands it
        over."""
        place = self.place(images)
        try:
            place.take(temporary)
            kept = place.complete() if status == COMPLETE else place.part
        except OSError as error:
            left = place.part
            if temporary.exists():
                left = stay(temporary)
                remove(place.part)
            # CellProfiler then ends with an exit status that is not 0.
            raise RuntimeError(
                f"ExportToCpexport: the measurements could not be kept in {self.folder}: "
                f"{error.strerror or error}; they are in {left}: copy that file before the job's "
                "temporary folder is removed"
            ) from error
        LOGGER.info("ExportToCpexport: the measurements are in %s", kept)
        self.deliver(kept)

    def keep_of_windows(self, store, place):
        """Copies the merged measurements, which CellProfiler's windows still use, and hands the
        copy over."""
        place.copy(Path(store.filename))
        problem = self.deliver(place.complete())
        if problem:
            raise RuntimeError(problem)

    # What cpexport does with it

    def deliver(self, kept):
        """Has cpexport load a kept file, or add it to a script.

        Returns what went wrong, and how to do it later; None if it is done. Never raises: the
        measurements are safe.
        """
        if self.action == KEEP:
            return None
        try:
            words = self.words(kept)
        except OSError as error:
            # The list of measurements to leave out could not be written.
            problem = f"ExportToCpexport: {error}. The measurements are safe in {kept}"
            LOGGER.error(problem)
            return problem
        problem, again = self.hand_over(words)
        for pause in PAUSES:
            if not problem or not again:
                break
            LOGGER.warning("ExportToCpexport: %s; trying again in %d seconds", problem, pause)
            time.sleep(pause)
            problem, again = self.hand_over(words)
        if problem:
            problem = (
                f"ExportToCpexport: cpexport failed: {problem}. The measurements are safe in "
                f"{kept}. To load them later, run: {shlex.join(words)}"
            )
            LOGGER.error(problem)
        return problem

    def hand_over(self, words):
        """Runs cpexport once. Returns what went wrong, None if nothing did, and whether it may work
        later."""
        command = self.found_command()
        if not command:
            return self.not_found(), False
        try:
            if self.needs_shared():
                self.shared_folder.mkdir(parents=True, exist_ok=True)
            ran = run([command, *words[1:]])
        except OSError as error:
            return f"{command}: {error}", True
        # The report names what this job left out of the database.
        log(ran.stdout, logging.WARNING if "Left out:" in ran.stdout else logging.INFO)
        if ran.returncode in DONE:
            log(ran.stderr, logging.WARNING)
            return None, False
        problem = last_line(ran.stderr) or f"{command} ended with {ran.returncode}"
        return problem, ran.returncode != WRONG

    def words(self, kept):
        """The words of the command that hands a kept file to cpexport."""
        command = self.found_command() or self.command.value
        if self.action == SCRIPT:
            folder = self.shared_folder / self.script_folder.value
            dialect = DIALECTS[self.dialect.value]
            words = [command, "script", kept.absolute(), "--out", folder, "--dialect", dialect]
        else:
            words = [command, "load", kept.absolute(), *self.destination()]
            if self.properties.value:
                words += ["--properties", self.properties_file()]
        objects = [LAYOUTS[self.layout.value]]
        if not self.all_objects.value and objects != ["none"]:
            objects += self.objects.value
        words += ["--objects", ",".join(objects)]
        if self.leaves_out.value and self.left_out.get_selections():
            words += ["--leave-out", self.features_left_out(kept)]
        chosen = (("mean", self.means), ("median", self.medians), ("std", self.deviations))
        aggregates = [word for word, setting in chosen if setting.value]
        if aggregates:
            words += ["--aggregate", ",".join(aggregates)]
        # A job has no use for more cores than its own.
        return [str(word) for word in [*words, *self.prefix_words(), "--jobs", "1"]]

    def features_left_out(self, kept):
        """The columns of the measurements to leave out; a file of them if they are very many."""
        chosen = self.left_out
        columns = [
            f"{chosen.get_measurement_object(choice)}_{chosen.get_measurement_feature(choice)}"
            for choice in chosen.get_selections()
        ]
        if sum(map(len, columns)) < LONGEST_WORD:
            return ",".join(columns)
        file = kept.absolute().with_name("left_out.txt")
        file.write_text("\n".join(columns), "utf-8")
        return f"@{file}"

    def prefix_words(self):
        return ["--prefix", self.prefix.value] if self.prefix.value else []

    def destination(self):
        """The options that name the database."""
        if self.database == SQLITE:
            file = str(self.shared_folder / self.sqlite_file.value)
            # The characters that mean something else in a URL.
            for character in "%?#":
                file = file.replace(character, f"%{ord(character):02X}")
            return ["--to", f"sqlite:///{file}"]
        words = ["--to", self.url.value]
        if self.option_file.value:
            words += ["--defaults-file", expanded(self.option_file.value)]
        return words

    def properties_file(self):
        """CellProfiler Analyst's file, under the name that ExportToDatabase gives it."""
        if self.database == SQLITE:
            stem = PurePath(self.sqlite_file.value).stem
        else:
            stem = self.url.value.partition("?")[0].rstrip("/").rpartition("/")[2]
        prefix = self.prefix.value.rstrip("_")
        return self.shared_folder / f"{stem}{'_' if prefix else ''}{prefix}.properties"

    @property
    def shared_folder(self):
        """The folder that all jobs share."""
        return Path(self.shared.get_absolute_path()).absolute()

    def needs_shared(self):
        return self.action == SCRIPT or self.database == SQLITE or self.properties.value

    def found_command(self):
        return shutil.which(expanded(self.command.value.strip()))

    def not_found(self):
        return (
            f"no command {self.command.value} on {platform.node()}; install cpexport there, and "
            f"write its full path into the setting '{self.command.text}'"
        )


def runs_elsewhere(pipeline):
    """Whether the jobs run on computers that have other paths, according to CreateBatchFiles."""
    return any(
        mapping.local_directory.value != mapping.remote_directory.value
        for module in pipeline.modules()
        if module.is_create_batch_module()
        for mapping in module.mappings
    )


class Place:
    """Where the measurement file of a job goes.

    part: the file that the job writes; each job has its own, also where jobs share the folder.
    name: what the file is called when it is whole.
    own_name: what it is called if another job's file has the name.
    """

    def __init__(self, folder, file_name, images):
        name, numbers = PurePath(file_name), sorted(images)
        self.images = images
        self.name = folder / name
        for count in itertools.count(1):
            # Jobs of another batch file have other images, and groups can have other image sets
            # between the same two.
            more = f"-{count}" if count > 1 else ""
            self.own_name = folder / f"{name.stem}_{ends(numbers)}{more}{name.suffix}"
            self.part = Path(f"{self.own_name}.part")
            # A part that cannot be read was left by a job that was killed.
            taken = self.own_name.exists() and not self.has_these_images(self.own_name)
            if not taken and (not images_in(self.part) or self.has_these_images(self.part)):
                break

    def has_these_images(self, file):
        """Whether a file has the same images as this job, so that it may be replaced."""
        return are_the_same(images_in(file), self.images)

    def reserve(self, temporary):
        """Takes the room that a temporary file needs here, if it is on another file system.

        So a full disk fails the job, and not only the last step after it.
        """
        self.part.parent.mkdir(parents=True, exist_ok=True)
        same = temporary.stat().st_dev == self.part.parent.stat().st_dev
        if same or not hasattr(os, "posix_fallocate"):
            return
        try:
            # Readable, and not to append: where a file system reserves no room (NFS before 4.2),
            # the C library writes into each block, or answers EBADF (posix_fallocate(3)).
            with self.part.open("w+b") as stream:
                os.posix_fallocate(stream.fileno(), 0, temporary.stat().st_size + MARGIN)
        except OSError as error:
            remove(self.part)
            if error.errno not in CANNOT_RESERVE:
                raise

    def take(self, temporary):
        """Moves a temporary file to `part`, also from another file system: it stays there until it
        is durable here."""
        self.part.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.replace(self.part)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            # In place, as room was reserved for it.
            mode = "r+b" if self.part.exists() else "wb"
            with temporary.open("rb") as source, self.part.open(mode) as target:
                shutil.copyfileobj(source, target, 1 << 24)
                target.truncate()
                target.flush()
                os.fsync(target.fileno())
            temporary.unlink()
        make_durable(self.part)

    def copy(self, file):
        """Copies a file to `part`."""
        self.part.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(file, self.part)
            make_durable(self.part)
        except OSError:
            remove(self.part)
            raise

    def complete(self):
        """Gives the file, which is whole, its name, and returns it.

        The file of an earlier run of the same images is replaced; that of another job is not.
        """
        name = self.name
        if not self.renamed_if_free():
            if not self.has_these_images(name):
                name = self.own_name
                LOGGER.warning(
                    "ExportToCpexport: %s is of another job, so this job's file is %s; give each "
                    "job an output folder of its own (-o)",
                    self.name,
                    name,
                )
            self.part.replace(name)
        # The file is whole under either name, so it counts where folders cannot be flushed.
        with contextlib.suppress(OSError):
            sync(name.parent)
        return name

    def renamed_if_free(self):
        """Renames `part` to `name` unless that is taken; returns whether it was free."""
        try:
            os.link(self.part, self.name)
        except FileExistsError:
            return False
        except OSError:
            # A file system without hard links.
            if self.name.exists():
                return False
            self.part.replace(self.name)
            return True
        self.part.unlink()
        return True


# Files


def is_relative(path):
    """Whether a path, of this computer or another one, depends on the current folder."""
    return not path.startswith(("/", "\\", "~")) and not PureWindowsPath(path).drive


def expanded(path):
    """A path with the user's home in place of `~`; as it is if no home is known."""
    try:
        return str(Path(path).expanduser())
    except RuntimeError:
        return path


def is_writable(folder):
    """Whether a folder can be written, or made."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def ends(numbers):
    """The first and last number of a job's image sets: `4_6`, or `4` if it has one."""
    return "_".join(str(n) for n in sorted({min(numbers), max(numbers)})) if numbers else "none"


def exit_status_and_numbers(store):
    """The Exit_Status of an open store, None if it has none, and its image set numbers."""
    status = None
    if store.has_feature("Experiment", "Exit_Status"):
        status = store["Experiment", "Exit_Status", 0][0]
        status = status.decode() if isinstance(status, bytes) else str(status)
    if not store.has_feature("Image", "ImageNumber"):
        return status, []
    return status, sorted(int(n) for n in store.get_indices("Image", "ImageNumber"))


def images_of(file):
    """The image sets in an open measurement file, by number: the names of each one's image files,
    as far as they are known, by feature."""
    runs = file["Measurements"]
    features = runs[sorted(runs)[-1]].get("Image", {})
    if "ImageNumber/index" not in features:
        return {}
    # CellProfiler marks image sets of other jobs by -1.
    images = {int(n): {} for n in features["ImageNumber/index"][:, 0] if n >= 0}
    for name in features:
        if not name.startswith(("FileName_", "PathName_")) or "index" not in features[name]:
            continue
        places = {
            number: start
            for number, start, stop in features[name]["index"][:].tolist()
            if number in images and start < stop
        }
        if places:
            first = min(places.values())
            values = features[name]["data"][first : max(places.values()) + 1]
            for number, start in places.items():
                images[number][name] = values[start - first]
    return images


def images_in(path):
    """The image sets in a measurement file as `images_of`; none if it cannot be read."""
    try:
        with h5py.File(path, "r") as file:
            return images_of(file)
    except (OSError, KeyError, IndexError, RuntimeError):
        return {}


def are_the_same(images, others):
    """Whether two files have the same image sets, and as far as is known, of the same images."""
    return images.keys() == others.keys() and all(
        files[name] == others[number][name]
        for number, files in images.items()
        for name in files.keys() & others[number].keys()
    )


def stay(temporary):
    """Renames a file that cannot be moved to its place, and returns the new name.

    The script that runs a job of `cpexport plan` (task.sh) removes CellProfiler's temporary files,
    which end in .hdf5, but no .h5.
    """
    name = temporary.with_suffix(".h5")
    try:
        return temporary.replace(name)
    except OSError:
        return temporary


def remove(part):
    """Removes a file that is not whole, if it can."""
    with contextlib.suppress(OSError):
        part.unlink()


def make_durable(part):
    """Gives a file the usual permissions, and waits until it is on disk.

    CellProfiler's temporary files are for their owner only.
    """
    mask = os.umask(0)
    os.umask(mask)
    part.chmod(0o666 & ~mask)
    sync(part)


def sync(path):
    """Waits until a file, or the names in a folder, are on disk."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:
        # Windows opens no folders.
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# cpexport


def run(words):
    """Runs cpexport as a user would, outside of CellProfiler's own Python."""
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    # What PyInstaller, which bundles CellProfiler, changes for its own libraries.
    if "LD_LIBRARY_PATH_ORIG" in environment:
        environment["LD_LIBRARY_PATH"] = environment.pop("LD_LIBRARY_PATH_ORIG")
    elif getattr(sys, "frozen", False):
        environment.pop("LD_LIBRARY_PATH", None)
    return subprocess.run(
        words,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        encoding="utf-8",
        errors="replace",
    )


def log(text, level):
    for line in text.splitlines():
        if line.strip():
            LOGGER.log(level, "cpexport: %s", line)


def last_line(text):
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
