"""A pipeline's text, as CellProfiler keeps it with every measurement file: what its modules record.

Only what completeness needs is read. The text starts with `CellProfiler Pipeline:`; a module is a
line `Name:[module_num:3|...|enabled:True|...]` followed by indented `setting:value` lines
(CellProfiler 4.2.8, pipeline/_pipeline.py, savetxt; versions 3 to 5 of the text alike).
"""

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import takewhile

_MODULE = re.compile(r"^(\w+):\[(module_num:.*)\]\s*$")
_SETTING = re.compile(r"^    ([^:]*):(.*)$")
# should_stop_writing_measurements() is true for these: nothing is recorded from there on.
_EXPORTS = frozenset({"ExportToSpreadsheet", "ExportToDatabase"})
# What LabelImages writes, by counting image sets (CellProfiler 4.2.8, modules/labelimages.py).
_LABELS = frozenset(f"Metadata_{name}" for name in ("Site", "Row", "Column", "Well", "Plate"))
_GROUPING = ("Do you want to group your images?", "Group images by metadata?")
# Modules that go back over a group at its end, so that a part of a group is not the whole of it.
_AFTER_GROUP = frozenset({"TrackObjects", "MakeProjection", "CorrectIlluminationCalculate"})


@dataclass(frozen=True)
class Module:
    """One module of a pipeline: its number from 1, its name, its settings in order."""

    number: int
    name: str
    enabled: bool
    settings: tuple[tuple[str, str], ...]

    @property
    def tag(self) -> str:
        """How features that a module writes about itself end: `14FlagImage`."""
        return f"{self.number:02d}{self.name}"

    def setting(self, ending: str) -> str:
        """The first setting whose name ends so: older versions write the colon escaped."""
        return next((value for name, value in self.settings if name.endswith(ending)), "")


@dataclass(frozen=True)
class Skip:
    """A FlagImage module that ends an image set's run where one of its `flags` is 1.

    `module` and `later` are tags: of itself, and of the modules that record themselves after it.
    """

    module: str
    flags: tuple[str, ...]
    later: tuple[str, ...]


@dataclass(frozen=True)
class Pipeline:
    """What a pipeline's text says."""

    modules: tuple[Module, ...]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the modules and settings, alike for the jobs of one run.

        CreateBatchFiles is left out: every job writes its own output folder into it.
        """
        said = [
            (m.name, m.enabled, m.settings) for m in self.modules if m.name != "CreateBatchFiles"
        ]
        return hashlib.sha256(repr(said).encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def recorder(self) -> str | None:
        """The last module that records itself for each image set, as `14FlagImage`.

        It is the one before the first export module, as nothing is recorded after that; disabled
        modules do not run. `None` when no module is left.
        """
        return self._recorders[-1].tag if self._recorders else None

    @cached_property
    def _recorders(self) -> tuple[Module, ...]:
        """The modules that record themselves for each image set, in order."""
        enabled = (module for module in self.modules if module.enabled)
        return tuple(takewhile(lambda module: module.name not in _EXPORTS, enabled))

    @cached_property
    def flags(self) -> frozenset[str]:
        """The features that FlagImage modules write: measured, though named like metadata."""
        return frozenset(flag for module in self.modules for flag, _ in _flags(module))

    @cached_property
    def skips(self) -> tuple[Skip, ...]:
        """The FlagImage modules that skip image sets (CellProfiler 4.2.8, modules/flagimage.py)."""
        found = []
        for place, module in enumerate(self._recorders):
            flags = tuple(flag for flag, skips in _flags(module) if skips)
            if flags:
                later = tuple(other.tag for other in self._recorders[place + 1 :])
                found.append(Skip(module.tag, flags, later))
        return tuple(found)

    @cached_property
    def late(self) -> frozenset[str]:
        """Metadata that modules write as a job runs, so that a batch file cannot know it."""
        labels = any(module.name == "LabelImages" for module in self.modules)
        return self.flags | (_LABELS if labels else frozenset())

    @property
    def exports(self) -> tuple[tuple[str, str], ...]:
        """What ExportToSpreadsheet writes under file names of the user's: pairs of an object type
        and a regular expression for the file's name without its suffix.

        Empty for file names of CellProfiler's own. Metadata in a name, `\\g<Plate>`, matches any
        text. Of objects combined in one file only the first is named: the file's header has all.
        """
        found = []
        for module in self.modules:
            if module.name == "ExportToSpreadsheet":
                prefix, what, combined, name = "", "", False, ""
                settings = dict(module.settings)
                if settings.get("Export all measurement types?") != "No":
                    continue
                if settings.get("Add a prefix to file names?") == "Yes":
                    prefix = settings.get("Filename prefix", "")
                for key, value in module.settings:
                    if key == "Data to export":
                        what = value
                    elif key.startswith("Combine these object measurements"):
                        combined = value == "Yes"
                    elif key == "File name":
                        name = value
                    elif key.startswith("Use the object name") and not combined:
                        stem = what if value == "Yes" else re.sub(r"\.\w{1,4}$", "", name)
                        parts = re.split(r"\\g<[^>]*>", prefix + stem)
                        found.append((what, ".+".join(re.escape(part) for part in parts)))
        return tuple(found)

    def exports_table(self, name: str) -> bool:
        """Whether ExportToSpreadsheet certainly writes a table of an object type of which there
        are objects.

        It is not certain where there are several such modules, as each can write into a folder of
        its own, where columns were chosen, and of a type that no setting names.
        """
        modules = tuple(m for m in self.modules if m.enabled and m.name == "ExportToSpreadsheet")
        if len(modules) != 1 or self.exports_chosen_columns or name not in self.values:
            return False
        every = dict(modules[0].settings).get("Export all measurement types?") == "Yes"
        return every or any(what == name for what, _ in Pipeline(modules).exports)

    @property
    def exports_chosen_columns(self) -> bool:
        """Whether ExportToSpreadsheet writes only the columns that a person chose."""
        return any(
            module.name == "ExportToSpreadsheet"
            and any("measurements to export" in n and v == "Yes" for n, v in module.settings)
            for module in self.modules
        )

    @cached_property
    def values(self) -> frozenset[str]:
        """The values of all settings; the names of all object types are among them."""
        return frozenset(value for module in self.modules for _, value in module.settings)

    @property
    def ungrouped(self) -> bool:
        """Whether input modules say that they group no image sets: Groups, LoadData, LoadImages."""
        said = [
            value
            for module in self.modules
            if module.enabled
            for name, value in module.settings
            if name in _GROUPING
        ]
        return bool(said) and set(said) == {"No"}

    @property
    def in_batch_mode(self) -> bool:
        """Whether CreateBatchFiles has run, and so this is the pipeline of the jobs."""
        return any(
            # The name began `Hidden:` until 3.1.9, and begins `Hidden-` since.
            module.name == "CreateBatchFiles" and name.endswith("in batch mode") and value == "Yes"
            for module in self.modules
            for name, value in module.settings
        )

    @property
    def needs_whole_groups(self) -> bool:
        """Whether a module measures over a whole group, so that a part of one is worth nothing."""
        return any(module.enabled and module.name in _AFTER_GROUP for module in self.modules)


def _flags(module: Module) -> list[tuple[str, bool]]:
    """The features that a FlagImage module writes, each with whether it skips what it flags."""
    found: list[tuple[str, bool]] = []
    category = ""
    for name, value in module.settings if module.name == "FlagImage" else ():
        if "flag's category" in name:
            category = value
        elif name == "Name the flag":
            found.append((f"{category}_{value}", False))
        elif name.startswith("Skip image set if flagged") and found:
            found[-1] = (found[-1][0], value == "Yes")
    return found


@lru_cache(maxsize=64)
def parse(text: str) -> Pipeline:
    """The pipeline that `text` describes; without modules if it describes none.

    The jobs of one run carry the same text, so it is parsed once. Settings of text version 4 and
    below (CellProfiler 3) may be escaped UTF-16 and are decoded.
    """
    modules: list[tuple[int, str, bool, list[tuple[str, str]]]] = []
    for line in text.splitlines():
        if found := _MODULE.match(line):
            attributes = dict(part.partition(":")[::2] for part in found[2].split("|"))
            number = attributes.get("module_num", "")
            if number.isdecimal():
                enabled = attributes.get("enabled", "True") == "True"
                modules.append((int(number), found[1], enabled, []))
        elif modules and (found := _SETTING.match(line)):
            modules[-1][3].append((found[1], _unescape(found[2])))
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
