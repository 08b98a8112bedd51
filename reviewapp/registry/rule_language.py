"""The language of routing rules: CEL expressions over one case, read once and kept, with what they look at.

A rule has no loops, joins few texts and matches patterns in linear time, so working it out takes time in proportion to
the case and no longer.
"""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, lru_cache, partial
from math import prod
from typing import TYPE_CHECKING, Any

import jsonschema_rs

from reviewapp.domain.errors import Invalid

if TYPE_CHECKING:
    import cel

MAX_LENGTH = 2000
# Each one may copy the longest text of a case once more.
MAX_SUMS = 20
MAX_PATTERN = 300
# Of a pattern's counted repetitions, {n}, multiplied: each one is a place that every character is held against.
MAX_REPEATED = 200

# What a rule knows beside the columns. A column of such a name is reached as features["name"].
FEATURES, CONTEXT, PREDICTED, CONFIDENCE = "features", "context", "predicted", "confidence"
GIVEN = frozenset({FEATURES, CONTEXT, PREDICTED, CONFIDENCE})
_DATES = frozenset(
    {
        *("getFullYear", "getMonth", "getDayOfMonth", "getDate", "getDayOfWeek", "getDayOfYear"),
        *("getHours", "getMinutes"),
    }
)
FUNCTIONS = _DATES | {
    *("contains", "startsWith", "endsWith", "matches", "size", "has"),
    *("int", "double", "string", "timestamp", "duration"),
}
_LOOPS = frozenset({"all", "exists", "exists_one", "map", "filter"})
# Words of the language itself; no column can be called so outside of features["…"].
_RESERVED = frozenset(
    {
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if"),
        *("import", "let", "loop", "package", "namespace", "return", "var", "void", "while"),
    }
)

_TEXT = re.compile(
    r"""(?<![A-Za-z0-9_])[rR](?:"[^"\n]*"|'[^'\n]*')|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'""",
)
# In these, texts are masked: what stands between their quotes is “_”.
_QUOTED = r"""[rR]?(?:"_*"|'_*')"""
_KEYED = re.compile(rf"\bfeatures\s*(?:\[\s*(?P<text>{_QUOTED})\s*\]|\.\s*(?P<name>[A-Za-z_]\w*)(?!\s*\(|\w))")
_CALL = re.compile(r"(?P<dot>\.\s*)?\b(?P<name>[A-Za-z_]\w*)\s*\(")
_MATCH = re.compile(rf"\bmatches\s*\(\s*(?:(?P<pattern>{_QUOTED})\s*\))?")
_REPEATED = re.compile(r"\{(\d{1,9})(?:,(\d{0,9}))?\}")
# What the model's answer is held against, on either side.
_ANSWER = rf"(?<![\w.]){PREDICTED}\b"
_ANSWERS = re.compile(
    rf"{_ANSWER}\s*(?:[!=]=\s*(?P<right>{_QUOTED})|in\s*\[(?P<listed>[^\]]*)\])|(?P<left>{_QUOTED})\s*[!=]=\s*{_ANSWER}"
)
_HAS = re.compile(r"\bhas\s*\(\s*features\b")

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLACE = re.compile(r"<input>:(\d+):(\d+): (?:Syntax error: )?(.*)")
_UNEXPECTED = re.compile(r"(?:input|token recognition error at:|unsupported syntax) '(.*?)'")
_WORDS = {"and": "&&", "or": "||", "not": "!", "=": "==", "<>": "!=", "&": "&&", "|": "||", "is": "=="}
# The library's own `matches` compiles its pattern anew for every case; ours has a name of the same length.
_OUR_MATCHES = "Matches"


@dataclass(frozen=True, slots=True)
class Expression:
    """A rule's expression, ready to be worked out.

    columns: those it names as variables; keyed: those it names as features["…"]; given: what else it looks at;
    answers: the texts that it holds the model's answer against.
    """

    program: "cel.Program"
    columns: tuple[str, ...]
    keyed: tuple[str, ...]
    given: frozenset[str]
    answers: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Every column it looks at."""
        return (*self.columns, *self.keyed)

    def holds(self, case: "Variables") -> bool:
        """Whether it is true of a case. Raises NoAnswer where it cannot be worked out, or answers with no truth."""
        case.misused.clear()
        try:
            answer = self.program.execute(case.context)
        except (TypeError, RuntimeError, KeyError, ValueError, ArithmeticError, IndexError) as error:
            raise NoAnswer from error
        if case.misused or not isinstance(answer, bool):
            raise NoAnswer(answer)
        return answer


class NoAnswer(Exception):
    """An expression that cannot be worked out on a case; the library's error is its cause."""


class Variables:
    """A case as expressions see it; made once for all rules."""

    __slots__ = ("context", "misused")

    def __init__(self, values: dict[str, Any]) -> None:
        # What is not a text where a pattern was looked for. The library's objects are no part of Python's garbage
        # collection: none of them may lead back to this one.
        self.misused: list[Any] = []
        self.context = _cel().Context(values)
        self.context.add_function(_OUR_MATCHES, partial(_matches, self.misused))


def _matches(misused: list[Any], text: Any, pattern: str) -> bool:
    if isinstance(text, str):
        return bool(_pattern(pattern).is_valid(text))
    # Not raised: the library writes every exception of a function to the process's output.
    misused.append(text)
    return False


@lru_cache(maxsize=512)
def read(when: str) -> Expression:
    """The expression `when`, compiled. Raises Invalid, naming the place and the remedy."""
    if len(when) > MAX_LENGTH:
        raise _invalid(f"it has {len(when):,} characters; {MAX_LENGTH:,} at most. Make two rules of it")
    if not when.strip():
        raise _invalid('it is empty; write a condition such as amount > 1000.0 && country == "DE"')
    masked = _TEXT.sub(lambda found: _masked(found[0]), when)
    _check_limits(masked)
    try:
        program = _cel().compile(_with_our_matches(when, masked))
    except ValueError as error:
        raise _invalid(_what_is_wrong(str(error))) from None
    _check_calls(when, masked)
    variables = frozenset(program.variables())
    return Expression(
        program=program,
        columns=tuple(sorted(variables - GIVEN)),
        keyed=_keyed(when, masked),
        given=variables & GIVEN,
        answers=_answers(when, masked),
    )


def is_plain(name: str) -> bool:
    """Whether a rule can name this column as it stands."""
    return _PLAIN.fullmatch(name) is not None and name not in _RESERVED and name not in GIVEN


def spelt(name: str) -> str:
    """How a rule names a column."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return name if is_plain(name) else f'features["{escaped}"]'


@cache
def _cel() -> Any:
    """The compiled part of the library alone: its package also imports a console, at ten times the cost."""
    from importlib.machinery import PathFinder
    from importlib.util import find_spec, module_from_spec

    package = find_spec("cel")
    assert package is not None
    spec = PathFinder.find_spec("cel.cel", package.submodule_search_locations)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _masked(text: str) -> str:
    opening = 2 if text[0] in "rR" else 1
    return text[:opening] + "_" * (len(text) - opening - 1) + text[-1]


def _plain_text(text: str) -> str:
    """What a text in quotes says."""
    return text[2:-1] if text[0] in "rR" else re.sub(r"\\(.)", r"\1", text[1:-1])


def _check_limits(masked: str) -> None:
    if any(mark in masked for mark in ("//", '"""', "'''")):
        raise _invalid("comments and texts in three quotes are not part of a rule; leave them out")
    if masked.count("+") > MAX_SUMS:
        raise _invalid(f"it adds {masked.count('+')} times; {MAX_SUMS} at most. Make two rules of it")
    if _HAS.search(masked):
        raise _invalid("a column that is missing is null; compare it with null instead of asking “has”")
    for call in _CALL.finditer(masked):
        if call["name"] in _LOOPS and call["dot"]:
            raise _invalid(f"“{call['name']}” goes through a list, and a rule looks at one case; use “in” for lists")


def _with_our_matches(when: str, masked: str) -> str:
    for found in _MATCH.finditer(masked):
        when = when[: found.start()] + _OUR_MATCHES + when[found.start() + len(_OUR_MATCHES) :]
    return when


def _check_calls(when: str, masked: str) -> None:
    for name in sorted({call["name"] for call in _CALL.finditer(masked)} - _RESERVED - FUNCTIONS):
        near = get_close_matches(name, FUNCTIONS, n=1)
        remedy = f"did you mean “{near[0]}”?" if near else f"there are {', '.join(sorted(FUNCTIONS))}."
        raise Invalid(f"there is no function “{name}”; {remedy}", code="rule_malformed")
    for found in _MATCH.finditer(masked):
        if found["pattern"] is None:
            raise _invalid('“matches” needs its pattern in quotes, as in matches(r"^DE[0-9]+$")')
        _check_pattern(_plain_text(when[slice(*found.span("pattern"))]))


def _check_pattern(pattern: str) -> None:
    times = prod(max(int(found[2] or found[1]), 1) for found in _REPEATED.finditer(pattern))
    if times > MAX_REPEATED or len(pattern) > MAX_PATTERN:
        raise _invalid(
            f"the pattern “{pattern[:40]}” is too costly; {MAX_PATTERN} characters at most, and repetitions that "
            f"multiply to {MAX_REPEATED} at most"
        )
    try:
        _pattern(pattern)
    except (jsonschema_rs.ValidationError, ValueError):
        raise _invalid(
            f"“{pattern}” is no regular expression here; compare its brackets, and do without look-arounds and "
            "references back"
        ) from None


def _keyed(when: str, masked: str) -> tuple[str, ...]:
    names = {
        _plain_text(when[slice(*found.span("text"))]) if found["text"] else found["name"]
        for found in _KEYED.finditer(masked)
    }
    if re.search(r"\bfeatures\b", _KEYED.sub(" ", masked)):
        raise _invalid('“features” needs the name of a column in quotes, as in features["amount"]')
    return tuple(sorted(names))


def _answers(when: str, masked: str) -> tuple[str, ...]:
    names: set[str] = set()
    for found in _ANSWERS.finditer(masked):
        first, last = next(found.span(name) for name in ("right", "listed", "left") if found[name] is not None)
        names.update(_plain_text(text[0]) for text in _TEXT.finditer(when[first:last]))
    return tuple(sorted(names))


@lru_cache(maxsize=256)
def _pattern(pattern: str) -> Any:
    """Compiled by an engine without exponential cases."""
    return jsonschema_rs.validator_for({"pattern": pattern}, offline=True, pattern_options=jsonschema_rs.RegexOptions())


def _what_is_wrong(message: str) -> str:
    """The library's first complaint in words."""
    found = _PLACE.search(message)
    if found is None:
        return "it cannot be read; compare its brackets and quotes"
    line, column, complaint = found[1], found[2], found[3]
    place = f"character {column}" if line == "1" else f"line {line}, character {column}"
    unexpected = _UNEXPECTED.search(complaint)
    if unexpected is None:
        return f"it cannot be read at {place}; compare its brackets and quotes"
    what = unexpected[1].strip()
    if what == "<EOF>":
        return f"it ends too early, at {place}; something is missing there"
    remedy = f"; write {_WORDS[what]} for it" if what in _WORDS else ""
    return f"“{what}” at {place} does not belong there{remedy}"


def _invalid(what: str) -> Invalid:
    return Invalid(f"{what}.", code="rule_malformed")
