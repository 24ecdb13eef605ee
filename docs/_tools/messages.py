"""Collects the messages of cpexport's errors from its code, for the page about messages.

Nothing is imported: the code is parsed. A message is an argument of an error class, or a pair
(problem, advice) in a table or a `return`. `…` stands for what differs from case to case.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

# Classes whose first argument is the whole message; the others get a place, a problem and an
# advice. `Problem` is what `plan` finds before jobs run.
_WHOLE = frozenset({"UsageError", "CpexportError", "Problem", "LimitError", "NeverWrittenError"})
_OTHER = frozenset(
    {
        "WidthError",
        "NumbersError",
        "BatchFileFoundError",
        "LeadsElsewhereError",
        "NotRegularError",
    }
)
_MOST = 12


@dataclass(frozen=True, order=True)
class Message:
    """A problem, what to do about it, the class of the error, and the module that raises it."""

    module: str
    problem: str
    advice: str
    error: str


@cache
def collect(package: Path) -> tuple[Message, ...]:
    """The messages of all errors in a package, each once, in order of module and text."""
    modules = {
        path.relative_to(package).with_suffix("").as_posix(): _Module(ast.parse(path.read_text()))
        for path in sorted(package.rglob("*.py"))
        if "templates" not in path.parts
    }
    constants = {name: text for module in modules.values() for name, text in module.shared.items()}
    errors = {name for module in modules.values() for name in module.errors}
    errors |= _WHOLE
    found = {
        Message(name, _tidy(problem), _tidy(advice), error)
        for name, module in modules.items()
        for problem, advice, error in module.messages(errors, constants)
    }
    return tuple(sorted(message for message in found if len(message.problem.strip(" …:")) > 3))


class _Module:
    """The syntax tree of a module, with its constants."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree

    @cached_property
    def errors(self) -> list[str]:
        classes = [node for node in self.tree.body if isinstance(node, ast.ClassDef)]
        return [node.name for node in classes if node.name.endswith("Error")]

    @cached_property
    def constants(self) -> Mapping[str, ast.expr]:
        found = {}
        for node in self.tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                found[node.targets[0].id] = node.value
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
                found[node.target.id] = node.value
        return found

    @cached_property
    def shared(self) -> Mapping[str, str]:
        """Texts that other modules can import."""
        return {
            name: value.value
            for name, value in self.constants.items()
            if isinstance(value, ast.Constant) and isinstance(value.value, str)
            if name.isupper() and not name.startswith("_")
        }

    def messages(
        self, errors: set[str], shared: Mapping[str, str]
    ) -> Iterator[tuple[str, str, str]]:
        """Problem, advice and class of each message."""
        for nodes in self._scopes():
            texts = _Texts(nodes, self.constants, shared)
            calls = [node for node in nodes if isinstance(node, ast.Call)]
            for call in sorted(calls, key=lambda call: call.lineno):
                if _called(call) in errors - _OTHER:
                    yield from _of_call(call, texts.at(call))
            for node in nodes:
                if isinstance(node, ast.Return) and _is_pair(node.value):
                    yield from _of_pair(node.value, texts)
        texts = _Texts((), self.constants, shared)
        for pair in self._tables():
            yield from _of_pair(pair, texts)

    def _tables(self) -> Iterator[ast.expr]:
        """The pairs of a problem and an advice in constants."""
        for name, value in self.constants.items():
            if name.startswith("_") and isinstance(value, ast.Dict):
                yield from filter(_is_pair, value.values)

    def _scopes(self) -> Iterator[Sequence[ast.AST]]:
        """The nodes of the module and of each function, without those of functions in it."""
        waiting: list[ast.AST] = [self.tree]
        while waiting:
            nodes = list(_within(waiting.pop()))
            yield nodes
            waiting += [node for node in nodes if isinstance(node, ast.FunctionDef)]


class _Texts:
    """What expressions in a function can be as texts."""

    def __init__(
        self,
        nodes: Sequence[ast.AST],
        constants: Mapping[str, ast.expr],
        shared: Mapping[str, str],
    ) -> None:
        self._shared, self._constants = shared, constants
        self._assigned: dict[str, list[ast.expr]] = {}
        # A name means what it got between the error before and the one that names it.
        self._since = self._until = 0
        for node in nodes:
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    self._assign(target, node.value)

    def at(self, node: ast.expr) -> "_Texts":
        """The texts at an expression; expressions come in order of the code."""
        if node.lineno > self._until:
            self._since, self._until = self._until, node.lineno
        return self

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self._assigned.setdefault(target.id, []).append(value)
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for one, other in zip(target.elts, value.elts, strict=False):
                self._assign(one, other)

    def of(self, node: ast.expr, depth: int = 0) -> list[str]:
        """The possible texts; `…` for what only a run can tell."""
        if depth > _MOST:
            return ["…"]
        if isinstance(node, ast.Constant):
            return [str(node.value)]
        if isinstance(node, ast.JoinedStr):
            return self._joined(node.values, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._joined([node.left, node.right], depth)
        if isinstance(node, ast.IfExp):
            return [*self.of(node.body, depth + 1), *self.of(node.orelse, depth + 1)]
        if isinstance(node, ast.Name):
            if node.id in self._assigned:
                before = [v for v in self._assigned[node.id] if v.lineno <= self._until]
                values = [v for v in before if v.lineno > self._since] or before[-1:]
                return [text for value in values for text in self.of(value, depth + 4)]
            if node.id in self._constants:
                return self.of(self._constants[node.id], depth + 1)
            return [self._shared.get(node.id, "…")]
        return ["…"]

    def _joined(self, parts: list[ast.expr], depth: int) -> list[str]:
        texts = [""]
        for part in parts:
            if isinstance(part, ast.FormattedValue):
                inner = part.value
                is_text = isinstance(inner, ast.Name) and inner.id in self._constants
                choices = self.of(inner, depth + 1) if is_text else ["…"]
            else:
                choices = self.of(part, depth + 1)
            texts = [text + choice for text in texts for choice in choices][:_MOST]
        return texts


def _within(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a scope, without those of functions in it."""
    waiting = list(ast.iter_child_nodes(scope))
    while waiting:
        node = waiting.pop(0)
        yield node
        if not isinstance(node, ast.FunctionDef):
            waiting.extend(ast.iter_child_nodes(node))


def _called(node: ast.Call) -> str:
    called = node.func
    if isinstance(called, ast.Name):
        return called.id
    return called.attr if isinstance(called, ast.Attribute) else ""


def _of_call(node: ast.Call, texts: _Texts) -> Iterator[tuple[str, str, str]]:
    name = _called(node)
    if name in _WHOLE and node.args:
        for text in texts.of(node.args[0]):
            yield *_split(text), name
    elif len(node.args) == 3:
        for problem in texts.of(node.args[1]):
            for advice in texts.of(node.args[2]):
                yield problem, advice, name


def _of_pair(node: ast.expr | None, texts: _Texts) -> Iterator[tuple[str, str, str]]:
    assert isinstance(node, ast.Tuple)
    for problem in texts.of(node.elts[0]):
        for advice in texts.of(node.elts[1]):
            yield problem, advice, "SinkError"


def _is_pair(node: ast.expr | None) -> bool:
    """Whether an expression is a problem and an advice."""
    if not isinstance(node, ast.Tuple) or len(node.elts) != 2:
        return False
    problem, advice = node.elts
    is_text = isinstance(problem, ast.Constant) and isinstance(problem.value, str)
    sentence = isinstance(problem, ast.JoinedStr) or (is_text and " " in ast.unparse(problem))
    return sentence and isinstance(advice, ast.Constant | ast.JoinedStr | ast.Name)


def _split(text: str) -> tuple[str, str]:
    """A whole message as problem and advice; the advice is empty if it has none."""
    problem, _, advice = text.partition("; ")
    return problem, advice


def _tidy(text: str) -> str:
    return re.sub(r"(… ?)+(?=…)", "", re.sub(r"\s+", " ", text)).strip()
