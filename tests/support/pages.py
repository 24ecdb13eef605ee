"""Pages of the documents: their blocks, and how shown output is compared with real output.

What a page shows is run, in the order of the page, in one folder for each page:

* `console`: each line that begins with `$ ` is run by a shell, and the lines below it must be what
  a terminal shows. Lines that begin with `> ` continue the command.
* `sh`: the whole block is run; its exit status must be 0 or 3.
* `python` and `r`: the block is run, with what the blocks before it on the page have defined. A
  `text` block that follows it directly is its output.
* a block of any language with `title="NAME"` is written to the file NAME instead; `~/NAME` is in
  the home folder. `title="NAME" shown` means that a command has written the file: the block must
  be what it contains.
* a block without a language is not run: a diagram, or a line to read.

In shown output, a line `...` stands for any number of lines, and `…` for any text within a line.
Numbers that differ from run to run (ids of jobs, times, digests) are not compared.

A comment says what the blocks below it need: `<!-- needs: slurm -->`, up to the next one or to
`<!-- needs: nothing -->`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)(?P<words>[^\n]*)\n(?P<text>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)
_TITLE = re.compile(r'title="([^"]+)"')
_NEEDS = re.compile(r"^<!-- needs: ([\w, ]+) -->$", re.MULTILINE)
_RUN = frozenset({"console", "sh", "python", "r"})
_LEFT_OUT = "...\n"
_VARIES = (
    (re.compile(r"\b(job|jobs?:?) \d+"), r"\1 N"),
    (re.compile(r"slurm_\d+"), "slurm_N"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|[+-]\d\d:?\d\d)?"), "TIME"),
    (re.compile(r'"seconds": [\d.]+|(\b\d+\.\d+|…) s\b'), "SECONDS"),
    (re.compile(r'(cpexport_version": "|cpexport )\d+\.\d+\.\d+'), r"\1N"),
    (re.compile(r"\b[0-9a-f]{16,64}\b"), "DIGEST"),
    (re.compile(r"[ \t]+$", re.MULTILINE), ""),
)


@dataclass(frozen=True)
class Block:
    """A fenced block; `start` and `end` are where its text is in the page.

    `needs` are the programs that it needs beyond those of this project.
    """

    language: str
    title: str | None
    shown: bool
    text: str
    indent: str
    start: int
    end: int
    needs: frozenset[str]

    @property
    def runs(self) -> bool:
        """Whether it is run, and not written to a file or only shown."""
        return self.language in _RUN and self.title is None

    def as_written(self, text: str) -> str:
        """The text of the block as it must stand in the page."""
        return "".join(
            f"{self.indent}{line}" if line.strip() else line for line in text.splitlines(True)
        )


@dataclass(frozen=True)
class Example:
    """A command of a `console` block, and the output shown below it."""

    command: str
    output: str


@dataclass(frozen=True)
class Page:
    """A page in Markdown."""

    path: Path
    text: str

    @staticmethod
    def read(path: Path) -> "Page":
        return Page(path, path.read_text("utf-8"))

    @property
    def needs(self) -> list[str]:
        """What its blocks need, each once."""
        return sorted({need for block in self.blocks if block.runs for need in block.needs})

    @property
    def blocks(self) -> list[Block]:
        found = []
        for match in _BLOCK.finditer(self.text):
            title = _TITLE.search(match["words"])
            indent = match["indent"]
            text = re.sub(f"^{indent}", "", match["text"], flags=re.MULTILINE)
            shown = match["words"].endswith(" shown")
            place = (match.start("text"), match.end("text"))
            name = title[1] if title else None
            needs = self._needs(match.start(), match["language"])
            found.append(Block(match["language"], name, shown, text, indent, *place, needs))
        return found

    def _needs(self, place: int, language: str) -> frozenset[str]:
        comments = _NEEDS.findall(self.text, 0, place)
        named = {need.strip() for need in comments[-1].split(",")} if comments else set()
        return frozenset(named - {"nothing"} | ({"r"} if language == "r" else set()))

    def with_texts(self, changes: Sequence[tuple[Block, str]]) -> str:
        """The page with other texts in some of its blocks."""
        text = self.text
        for block, new in sorted(changes, key=lambda change: change[0].start, reverse=True):
            text = text[: block.start] + block.as_written(new) + text[block.end :]
        return text


def examples(block: Block) -> list[Example]:
    """The commands of a `console` block, with the output shown below each, in order."""
    found = []
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, rest = [], part.splitlines(True)
        command.append(rest.pop(0).rstrip("\n"))
        while rest and rest[0].startswith("> "):
            command.append(rest.pop(0)[2:].rstrip("\n"))
        found.append(Example("\n".join(command), "".join(rest)))
    return found


def console(shown: Sequence[Example]) -> str:
    """The text of a `console` block with these commands."""
    return "".join("$ " + e.command.replace("\n", "\n> ") + f"\n{e.output}" for e in shown)


def same(shown: str, real: str) -> bool:
    """Whether shown output is the real one, but for what is left out or varies.

    >>> same("a\\n...\\nd\\n", "a\\nb\\nc\\nd\\n"), same("took … s\\n", "took 1.5 s\\n")
    (True, True)
    >>> same("a\\n", "b\\n"), same("job 7\\n", "job 12\\n")
    (False, True)
    """
    pattern = re.escape(_without_varying(shown))
    pattern = re.sub(r"(^|(?<=\n))(\\\.){3}(\\\n|$)", r"(?:[^\\n]*\\n)*?", pattern)
    pattern = pattern.replace("…", "[^\\n]*?")
    return re.fullmatch(pattern, _without_varying(real)) is not None


def refreshed(shown: str, real: str) -> str:
    """The output to show: the shown one if it is still true, else the real one.

    Of the real one, lines that were left out stay out, if the lines around them are still there.

    >>> refreshed("took … s\\nold\\n", "took 1.5 s\\nnew\\n")
    'took … s\\nnew\\n'
    >>> refreshed("loaded 1\\n...\\nmissing 2\\n", "loaded 3\\na\\nb\\nmissing 4\\n")
    'loaded 3\\n...\\nmissing 4\\n'
    """
    if same(shown, real):
        return shown
    old, new = shown.splitlines(True), real.splitlines(True)
    # Also numbers that vary stay as they are.
    kept = [line for line in old if line != _LEFT_OUT]
    new = [next((k for k in kept if same(k, line)), line) for line in new]
    for place, line in enumerate(old):
        if line == _LEFT_OUT:
            begin = _place(old[place - 1], new) + 1 if place else 0
            rest = new[begin:]
            length = _place(old[place + 1], rest) if place + 1 < len(old) else len(rest)
            if length > 0 and (begin or not place):
                new[begin : begin + length] = [_LEFT_OUT]
    return "".join(new)


def _place(line: str, lines: Sequence[str]) -> int:
    """Where a line is, or the first one with the same first word; -1 if it is nowhere."""
    alike = [place for place, other in enumerate(lines) if same(line, other)]
    first = [place for place, other in enumerate(lines) if other.split()[:1] == line.split()[:1]]
    return next(iter([*alike, *first]), -1)


def _without_varying(text: str) -> str:
    for pattern, replacement in _VARIES:
        text = pattern.sub(replacement, text)
    return text
