"""Parses the text of a pipeline, which CellProfiler stores with every measurement file.

Only the parts that completeness needs are read. The text starts with `CellProfiler Pipeline:`. A
module is a line `Name:[module_num:3|...|enabled:True|...]` followed by indented `setting:value`
lines (CellProfiler 4.2.8, pipeline/_pipeline.py, savetxt; text versions 3 to 5 are alike).
"""

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import takewhile

_MODULE = re.compile(r"^(\w+):\[(module_num:.*)\]\s*$")
_SETTING = re.compile(r"^    ([^:]*):(.*)$")
# should_stop_writing_measurements() is true for these: nothing is recorded after them.
_EXPORTS = frozenset({"ExportToSpreadsheet", "ExportToDatabase"})
# LabelImages writes these by counting image sets (CellProfiler 4.2.8, modules/labelimages.py).
_LABELS = frozenset(f"Metadata_{name}" for name in ("Site", "Row", "Column", "Well", "Plate"))
_GROUPING = ("Do you want to group your images?", "Group images by metadata?")
# Modules that process a whole group at its end, so part of a group gives other results.
_AFTER_GROUP = frozenset({"TrackObjects", "MakeProjection", "CorrectIlluminationCalculate"})


@dataclass(frozen=True)
class Module:
    """One module of a pipeline: its number from 1, its name, and its settings in order."""

    number: int
    name: str
    enabled: bool
    settings: tuple[tuple[str, str], ...]

    @property
    def tag(self) -> str:
        """The end of the features that a module writes about itself: `14FlagImage`."""
        return f"{self.number:02d}{self.name}"

    def setting(self, ending: str) -> str:
        """The first setting whose name has this ending; older versions escape the colon in it."""
        return next((value for name, value in self.settings if name.endswith(ending)), "")


@dataclass(frozen=True)
class Skip:
    """A FlagImage module that ends an image set's run if one of its `flags` is 1.

    `module` is its own tag, and `later` are the tags of the modules that record themselves after
    it.
    """

    module: str
    flags: tuple[str, ...]
    later: tuple[str, ...]


@dataclass(frozen=True)
class Pipeline:
    """A parsed pipeline."""

    modules: tuple[Module, ...]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the modules and settings, the same for all jobs of one run.

        CreateBatchFiles is excluded, because every job writes its own output folder into it.
        """
        content = [
            (m.name, m.enabled, m.settings) for m in self.modules if m.name != "CreateBatchFiles"
        ]
        return hashlib.sha256(repr(content).encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def recorder(self) -> str | None:
        """The last module that records itself for each image set, such as `14FlagImage`.

        It is the one before the first export module, because nothing is recorded after that.
        Disabled modules do not run. `None` if no module remains.
        """
        return self._recorders[-1].tag if self._recorders else None

    @cached_property
    def _recorders(self) -> tuple[Module, ...]:
        """The modules that record themselves for each image set, in order."""
        enabled = (module for module in self.modules if module.enabled)
        return tuple(takewhile(lambda module: module.name not in _EXPORTS, enabled))

    @cached_property
    def flags(self) -> frozenset[str]:
        """The features that FlagImage modules write: measured, although named like metadata."""
        return frozenset(flag for module in self.modules for flag, _ in _flags(module))

    @cached_property
    def skips(self) -> tuple[Skip, ...]:
        """The FlagImage modules that skip image sets (CellProfiler 4.2.8, modules/flagimage.py)."""
        result = []
        for place, module in enumerate(self._recorders):
            flags = tuple(flag for flag, skips in _flags(module) if skips)
            if flags:
                later = tuple(other.tag for other in self._recorders[place + 1 :])
                result.append(Skip(module.tag, flags, later))
        return tuple(result)

    @cached_property
    def late(self) -> frozenset[str]:
        """Metadata that modules write while a job runs, so a batch file cannot have it."""
        labels = any(module.name == "LabelImages" for module in self.modules)
        return self.flags | (_LABELS if labels else frozenset())

    @property
    def exports(self) -> tuple[tuple[str, str], ...]:
        """The files that ExportToSpreadsheet writes under names that the user chose.

        Pairs of an object type and a regular expression for the file's name without its suffix.
        Empty for CellProfiler's own file names. Metadata in a name, `\\g<Plate>`, matches any text.
        If a file combines several object types, only the first is listed; the file's header has
        all.
        """
        exports = []
        for module in self.modules:
            if module.name == "ExportToSpreadsheet":
                prefix, object_name, combined, name = "", "", False, ""
                settings = dict(module.settings)
                if settings.get("Export all measurement types?") != "No":
                    continue
                if settings.get("Add a prefix to file names?") == "Yes":
                    prefix = settings.get("Filename prefix", "")
                for key, value in module.settings:
                    if key == "Data to export":
                        object_name = value
                    elif key.startswith("Combine these object measurements"):
                        combined = value == "Yes"
                    elif key == "File name":
                        name = value
                    elif key.startswith("Use the object name") and not combined:
                        stem = object_name if value == "Yes" else re.sub(r"\.\w{1,4}$", "", name)
                        parts = re.split(r"\\g<[^>]*>", prefix + stem)
                        exports.append((object_name, ".+".join(re.escape(part) for part in parts)))
        return tuple(exports)

    def exports_table(self, name: str) -> bool:
        """Whether ExportToSpreadsheet certainly writes a table of an object type that has objects.

        It is not certain if there are several such modules, because each can write into its own
        folder; if the user chose columns; or if no setting names the type.
        """
        modules = tuple(m for m in self.modules if m.enabled and m.name == "ExportToSpreadsheet")
        if len(modules) != 1 or self.exports_chosen_columns or name not in self.values:
            return False
        every = dict(modules[0].settings).get("Export all measurement types?") == "Yes"
        return every or any(what == name for what, _ in Pipeline(modules).exports)

    @property
    def exports_chosen_columns(self) -> bool:
        """Whether ExportToSpreadsheet writes only columns that the user chose."""
        return any(
            module.name == "ExportToSpreadsheet"
            and any("measurements to export" in n and v == "Yes" for n, v in module.settings)
            for module in self.modules
        )

    @cached_property
    def values(self) -> frozenset[str]:
        """The values of all settings, which include the names of all object types."""
        return frozenset(value for module in self.modules for _, value in module.settings)

    @property
    def ungrouped(self) -> bool:
        """Whether the input modules (Groups, LoadData, LoadImages) state that they do not group."""
        answers = [
            value
            for module in self.modules
            if module.enabled
            for name, value in module.settings
            if name in _GROUPING
        ]
        return bool(answers) and set(answers) == {"No"}

    @property
    def list_groups(self) -> tuple[str, ...]:
        """The metadata tags by which LoadData groups the image sets of its list."""
        for module in self.modules:
            groups = module.setting("Group images by metadata?") == "Yes"
            if module.enabled and module.name == "LoadData" and groups:
                tags = module.setting("Select metadata tags for grouping")
                return tuple(filter(None, (tag.strip() for tag in tags.split(","))))
        return ()

    @property
    def in_batch_mode(self) -> bool:
        """Whether CreateBatchFiles has run, so this is the pipeline of the jobs."""
        return any(
            # The setting's name began with `Hidden:` until 3.1.9, and with `Hidden-` since.
            module.name == "CreateBatchFiles" and name.endswith("in batch mode") and value == "Yes"
            for module in self.modules
            for name, value in module.settings
        )

    @property
    def needs_whole_groups(self) -> bool:
        """Whether a module measures over a whole group, so part of a group is worthless."""
        return any(module.enabled and module.name in _AFTER_GROUP for module in self.modules)


@dataclass(frozen=True)
class KnownPipeline(Pipeline):
    """A pipeline that is known only by its digest."""

    sha256: str = ""

    @classmethod
    def known_by(cls, sha256: str) -> "KnownPipeline":
        """The pipeline with this digest."""
        return cls((), sha256)

    @cached_property
    def digest(self) -> str:
        return self.sha256


def _flags(module: Module) -> list[tuple[str, bool]]:
    """The features that a FlagImage module writes, each with whether it skips flagged sets."""
    flags: list[tuple[str, bool]] = []
    category = ""
    for name, value in module.settings if module.name == "FlagImage" else ():
        if "flag's category" in name:
            category = value
        elif name == "Name the flag":
            flags.append((f"{category}_{value}", False))
        elif name.startswith("Skip image set if flagged") and flags:
            flags[-1] = (flags[-1][0], value == "Yes")
    return flags


@lru_cache(maxsize=64)
def parse(text: str) -> Pipeline:
    """Returns the pipeline in `text`; without modules if the text has none.

    The jobs of one run have the same text, so it is parsed once. Settings of text version 4 and
    below (CellProfiler 3) may be escaped UTF-16 and are decoded.
    """
    modules: list[tuple[int, str, bool, list[tuple[str, str]]]] = []
    for line in text.splitlines():
        if match := _MODULE.match(line):
            attributes = dict(part.partition(":")[::2] for part in match[2].split("|"))
            number = attributes.get("module_num", "")
            if re.fullmatch(r"[0-9]{1,9}", number):
                enabled = attributes.get("enabled", "True") == "True"
                modules.append((int(number), match[1], enabled, []))
        elif modules and (match := _SETTING.match(line)):
            modules[-1][3].append((match[1], _unescape(match[2])))
    return Pipeline(
        tuple(Module(n, name, enabled, tuple(settings)) for n, name, enabled, settings in modules)
    )


def _unescape(value: str) -> str:
    if not value.startswith(r"\xff\xfe"):
        return value
    try:
        return value.encode("ascii").decode("unicode_escape").encode("latin-1").decode("utf-16")
    except UnicodeError:
        return value
