"""A Python program against the rules: what it imports, starts and reads, and what its strings say.

Only what stands there plainly counts: literals, f-strings, and constants and aliases that are
assigned once. Nothing of the program is run.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import textwrap
import tokenize
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, Final, NamedTuple

from . import findings, texts
from .findings import Hit, hit
from .keys import keys_in
from .modules import OURS, rule_of, rule_of_text
from .names import Names, is_importer
from .texts import UNKNOWN, VARIABLE, raw_keys, rules_of_command

PARSED_UP_TO: Final = 4 << 20
"""Bytes up to which a program is parsed."""

CANNOT: Final = (SyntaxError, ValueError, RecursionError, MemoryError, LookupError)
"""What parsing raises: also for NUL bytes, unknown encodings and nesting without end."""

_VERSION: Final = f"Python {sys.version_info.major}.{sys.version_info.minor}"
# Without any of these no rule can be violated; escapes can spell anything.
_WORTH_A_LOOK: Final = re.compile(
    r"stripe|\.com|__import__|import_|\bexec\b|\beval\b|[sr]k_|whsec|\\[xuUN0-7]", re.IGNORECASE
)
_LINE_ENDS: Final = re.compile(r"\r\n|\r|\n")
_NESTED: Final = 3

_RUN: Final = frozenset("exec eval compile builtins.exec builtins.eval builtins.compile".split())
_STARTERS: Final = frozenset(
    """
    system popen run Popen call check_call check_output getoutput getstatusoutput
    create_subprocess_shell split
    """.split()
)
_PYTHON: Final = re.compile("python|executable", re.IGNORECASE)
_SHELL: Final = re.compile(r"(?:^|/)(?:ba|da|z|k)?sh$")
_FROM_MODULES: Final = frozenset({"get", "pop", "setdefault", "__getitem__"})
_NAMES_OF_MODULES: Final = frozenset("name modname mod_name fullname path dotted_path".split())
_SOURCES: Final = frozenset({"source", "expression"})
_READERS: Final = frozenset("getenv get pop config env str get_env __getitem__".split())
_OUR_SETTING: Final = re.compile(f"STRIPE_API_BASE|{VARIABLE.pattern}")
_OUR_ARGUMENTS: Final = frozenset({"api_base", "secret_key"})


class _Violation(NamedTuple):
    rule: str
    node: ast.AST
    what: str = ""


def _violations(node: ast.AST, broken: Iterable[str | None]) -> list[_Violation]:
    return [_Violation(rule, node) for rule in sorted(filter(None, set(broken)))]


def scan_program(data: bytes) -> list[Hit]:
    """Return what a program violates; that it cannot be parsed is a violation as well."""
    keys = list(raw_keys(data))
    try:
        if len(data) > PARSED_UP_TO:
            raise MemoryError
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        hits = scan_source(data[:].decode(encoding))
    except CANNOT as error:
        return [*keys, _unparsable(error), *texts.scan_text(data)]
    told = {line for key in keys for line in key.lines()}
    new = (one for one in hits if one.rule != findings.RAW_KEY or told.isdisjoint(one.lines()))
    return [*keys, *new]


def scan_source(source: str) -> list[Hit]:
    """Return what a program's text violates, once a line; `CANNOT` is raised if it is none."""
    tree = parsed(source)
    if not _WORTH_A_LOOK.search(source):
        return []
    lines = _LINE_ENDS.split(source)
    once: dict[tuple[str, int], Hit] = {}
    for violation in _Program(tree).violations():
        found = _placed(violation, lines)
        once.setdefault((found.rule, found.line), found)
    return list(once.values())


def parsed(source: str) -> ast.Module:
    """Return the tree of a program. Its doubtful escapes are none of our business."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)


def _unparsable(error: BaseException) -> Hit:
    """Say why a program cannot be parsed, in words that show none of it, and on which line."""
    line, why = 1, f"{_VERSION} cannot decode this"
    if isinstance(error, RecursionError | MemoryError):
        why = f"this is too large or too deeply nested for {_VERSION}"
    elif isinstance(error, SyntaxError) and error.lineno:
        line, why = error.lineno, f"{_VERSION} cannot parse this"
    return hit(findings.UNPARSABLE, line, 1, why)


def _placed(violation: _Violation, lines: list[str]) -> Hit:
    """Return a violation at its place; a host at its own, within a text of several lines."""
    rule, node, what = violation
    first = getattr(node, "lineno", 1)
    last = getattr(node, "end_lineno", None) or first
    if rule == findings.API_HOST:
        for line in range(first, min(last, len(lines)) + 1):
            match = texts.HOST.search(lines[line - 1])
            if match:
                return hit(rule, line, match.start() + 1, what, last_line=last)
    # The tree counts the bytes of UTF-8; people count characters.
    before = lines[first - 1].encode(errors="replace")[: getattr(node, "col_offset", 0)]
    return hit(rule, first, len(before.decode(errors="replace")) + 1, what, last_line=last)


class _Program:
    """The nodes of a program, parents before their children, and what its names stand for."""

    def __init__(self, tree: ast.Module, nested: int = _NESTED) -> None:
        self._nodes = list(ast.walk(tree))
        self._names = Names(self._nodes)
        self._nested = nested

    def _each(self, *kinds: type[ast.AST]) -> Iterator[Any]:
        return (node for node in self._nodes if isinstance(node, kinds))

    def violations(self) -> Iterator[_Violation]:
        yield from self._imports()
        for node in self._each(ast.List, ast.Tuple):
            yield from self._command(node, node.elts)
        for node in self._each(ast.Call):
            yield from self._started(node)
        handed_on = set(self._handed_on())
        yield from self._readings(handed_on)
        yield from self._strings(handed_on)

    def _imports(self) -> Iterator[_Violation]:
        statements = list(self._statements())
        yield from statements
        told = {one.rule for one in statements}  # uses of what is imported are not told again
        yield from (one for one in self._attributes() if one.rule not in told)
        for call in self._each(ast.Call):
            yield from _violations(call, self._rules_of_call(call))
        for node in self._each(ast.Subscript):
            if self._names.dotted(node.value) == "sys.modules":
                yield from _violations(node, [rule_of_text(self._text(node.slice))])

    def _statements(self) -> Iterator[_Violation]:
        for node in self._each(ast.Import, ast.ImportFrom):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield from _violations(alias, [rule_of(alias.name, is_module=True)])
                continue
            module = "." * node.level + (node.module or "")
            told = rule_of(module, is_module=True)
            yield from _violations(node, [told])
            for alias in node.names:
                yield from _violations(alias, {rule_of(f"{module}.{alias.name}")} - {told})

    def _attributes(self) -> Iterator[_Violation]:
        """`stripe_billing_router.operators`, however the package is called here."""
        for node in self._each(ast.Attribute, ast.Call):
            name = self._names.dotted(node)
            yield from _violations(node, [rule_of(name) if OURS in name else None])

    def _rules_of_call(self, call: ast.Call) -> Iterator[str | None]:
        name = self._names.dotted(call.func)
        owner, _, last = name.rpartition(".")
        named = {word.arg: word.value for word in call.keywords if word.arg}
        if name in _RUN:
            sources = (value for word, value in named.items() if word in _SOURCES)
            yield from self._rules_of_source(self._text(*call.args[:1], *sources))
        elif is_importer(name):
            package = self._text(*call.args[1:2], *filter(None, [named.get("package")]))
            modules = (value for word, value in named.items() if word in _NAMES_OF_MODULES)
            module = self._text(*call.args[:1], *modules)
            text = f"{package}{module}" if module.startswith(".") else module
            fromlist = named.get("fromlist") or (call.args + [None] * 4)[3]
            members = fromlist.elts if isinstance(fromlist, ast.List | ast.Tuple) else []
            names = [text, *(f"{text}.{self._text(member)}" for member in members)]
            yield from map(rule_of_text, names)
        elif (owner == "sys.modules" and last in _FROM_MODULES) or any(
            is_importer(self._names.dotted(argument)) for argument in call.args
        ):  # as in partial(import_module, "…") or to_thread(import_module, "…")
            yield from (rule_of_text(self._text(one)) for one in call.args)

    def _text(self, *nodes: ast.expr | None) -> str:
        """Return the first text that one of these has, or an empty one."""
        return next(filter(None, map(self._names.text, nodes)), "")

    def _rules_of_source(self, source: str) -> set[str]:
        """Return the rules of importing that a program within this one violates."""
        try:
            tree = parsed(textwrap.dedent(source.replace(UNKNOWN, "_")).strip())
        except CANNOT:
            return set()
        found = _Program(tree, self._nested - 1)._imports() if self._nested else ()
        told_as = {findings.STRIPE_IMPORT: findings.DYNAMIC_IMPORT}
        return {told_as.get(one.rule, one.rule) for one in found}

    def _command(self, node: ast.AST, parts: list[ast.expr]) -> Iterator[_Violation]:
        """A command as a list of its words; one after `-c` is a program of its own."""
        words = [self._names.text(part) or UNKNOWN for part in parts[:20]]
        line = " ".join(words) if words and " " not in words[0] else ""
        rules = rules_of_command(line) & {findings.STRIPE_CLI, findings.OPERATORS}
        if "-c" in words:
            started = " ".join(map(self._names.dotted, parts[:3])) + " ".join(words[:3])
            for option, program in pairwise(words):
                if option == "-c" and _PYTHON.search(started):
                    rules |= self._rules_of_source(program)
                elif option == "-c" and _SHELL.search(words[0]):
                    rules |= rules_of_command(program)
        yield from _violations(node, rules)

    def _started(self, call: ast.Call) -> Iterator[_Violation]:
        """`os.system("…")`, `"…".split()`, and `create_subprocess_exec("…", "…")`."""
        if self._names.last_name(call.func) in _STARTERS:
            owner = call.func.value if isinstance(call.func, ast.Attribute) else None
            yield from _violations(call, rules_of_command(self._text(owner, *call.args[:1])))
        yield from self._command(call, call.args)

    def _handed_on(self) -> Iterator[int]:
        """All that the router is given as its settings: the one correct use of key and base."""
        names = (node for node in self._each(ast.Name) if isinstance(node.ctx, ast.Load))
        uses = Counter(node.id for node in names)
        given = list(self._given())
        names_given = Counter(value.id for value in given if isinstance(value, ast.Name))
        given += (self._names.value(one) for one in names_given if uses[one] == names_given[one])
        for value in filter(None, given):
            yield from map(id, ast.walk(value))

    def _given(self) -> Iterator[ast.expr | None]:
        for call in self._each(ast.Call):
            ours = OURS in self._names.dotted(call.func).split(".")
            for word in call.keywords:
                if _OUR_SETTING.fullmatch(word.arg or "") or (ours and word.arg in _OUR_ARGUMENTS):
                    yield word.value
            if self._names.last_name(call.func) in ("setenv", "putenv"):
                yield from (value for name, value in pairwise(call.args) if _is_setting(name))
        for node in self._each(ast.Dict):
            yield from (
                two for one, two in zip(node.keys, node.values, strict=True) if _is_setting(one)
            )
        for node in self._each(ast.Assign):
            if any(isinstance(to, ast.Subscript) and _is_setting(to.slice) for to in node.targets):
                yield node.value

    def _readings(self, handed_on: set[int]) -> Iterator[_Violation]:
        """The secret key's variable, read for anything but the router."""
        for node in self._each(ast.Subscript, ast.Attribute, ast.Call):
            if isinstance(node, ast.Call):
                read = self._names.last_name(node.func) in _READERS and self._text(*node.args[:1])
            elif isinstance(node.ctx, ast.Load):
                read = node.attr if isinstance(node, ast.Attribute) else self._text(node.slice)
            else:
                read = ""
            if id(node) not in handed_on and VARIABLE.fullmatch(read or ""):
                yield _Violation(findings.KEY_VARIABLE, node)

    def _strings(self, handed_on: set[int]) -> Iterator[_Violation]:
        """Hosts and keys in strings. One that is a statement is documentation."""
        over = {id(node.value) for node in self._each(ast.Expr) if type(node.value) is ast.Constant}
        for node in self._each(ast.JoinedStr):
            over |= {id(part) for part in node.values}
        for node in self._each(ast.Constant, ast.JoinedStr):
            text = self._names.text(node)
            if not text:
                continue
            host = None if id(node) in over else texts.host_in_code(text)
            if host and not (id(node) in handed_on and texts.THE_BASE.fullmatch(text)):
                yield _Violation(findings.API_HOST, node, host)
            for key in keys_in(text):
                yield _Violation(findings.RAW_KEY, node, key.kind)


def _is_setting(node: ast.expr | None) -> bool:
    text = node.value if isinstance(node, ast.Constant) else None
    return isinstance(text, str) and _OUR_SETTING.fullmatch(text) is not None
