"""The batches of a run as HTML: states, durations, attempts, and errors by kind."""

from cpexport.reporting.batch_facts import BatchFacts, ErrorKind, duration
from cpexport.reporting.build import ReportData
from cpexport.reporting.markup import Html, element, joined, table
from cpexport.spelling import counted

_PATHS = 5


def batches_section(data: ReportData) -> Html:
    """The section. Here, a batch is one job's output."""
    facts = data.facts
    total = sum(facts.states.values())
    states = ", ".join(f"{n:,} {state}" for state, n in facts.states.most_common())
    return element(
        "section",
        element("h2", "Batches", id="batches"),
        element("p", "A batch is one job\u2019s output. ", f"{counted(total, 'batch')}: {states}."),
        _attempts(facts),
        _errors(facts),
        _notes(data),
    )


def _attempts(facts: BatchFacts) -> Html:
    if not facts.attempts:
        return element("p", "No record of a job says how long it took.")
    ended = ", ".join(f"{n:,} {how}" for how, n in facts.attempts.most_common())
    again = f" {counted(facts.retried, 'batch')} ran more than once." if facts.retried else ""
    parts = [
        element("p", f"{counted(facts.attempts.total(), 'attempt')}: {ended}.{again}"),
    ]
    if facts.durations:
        words = ("shortest", "first quartile", "median", "third quartile", "longest")
        row = [duration(seconds) for seconds in facts.durations]
        parts.append(table(["Attempts", *words], [["took", *row]], "How long attempts took"))
    if facts.slowest:
        rows = ([path, duration(seconds)] for path, seconds in facts.slowest)
        parts.append(table(["Batch", "Last attempt"], rows, "The batches that took the longest"))
    return joined(parts)


def _errors(facts: BatchFacts) -> Html:
    if not facts.errors:
        return element("p", "No batch has an error.")
    parts: list[Html] = [element("h3", "Errors by kind"), *map(_error, facts.errors)]
    if facts.more_kinds:
        parts.append(element("p", f"{facts.more_kinds:,} rarer kinds of errors are not listed."))
    return joined(parts)


def _error(kind: ErrorKind) -> Html:
    more = len(kind.batches) - _PATHS
    lacking = f", {kind.image_sets.words}" if kind.image_sets else ""
    return element(
        "details",
        element(
            "summary",
            element("b", f"{counted(len(kind.batches), 'batch')} {kind.state}"),
            f": {kind.reason}",
        ),
        element(
            "p",
            f"{', '.join(kind.batches[:_PATHS])}",
            f" and {more:,} more" if more > 0 else "",
            lacking,
        ),
        element("pre", "\n".join(kind.log)) if kind.log else "",
        element("p", "Log: ", element("code", kind.log_file)) if kind.log_file else "",
    )


def _notes(data: ReportData) -> Html:
    """Notes, among them the columns that some batches lack, and what is left out."""
    left_out = (left for run in data.runs for left in run.found.left_out)
    lines = [*data.notes, *(f"{left.path}: {left.reason}" for left in left_out)]
    if not lines:
        return Html()
    items = (element("li", note) for note in dict.fromkeys(lines))
    return joined([element("h3", "Notes"), element("ul", *items)])
