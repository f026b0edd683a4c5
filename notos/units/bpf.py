"""Classic BPF programs for seccomp(2): rules about system calls, compiled to struct sock_filter.

A program finds the system call by a binary search, then tests its arguments. All jumps lead forward, and
every piece of code ends in a return, so pieces can be joined without labels.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

ALLOW = 0x7FFF0000
LOG = 0x7FFC0000
KILL_PROCESS = 0x80000000
_ERRNO = 0x00050000
_ACTION = 0xFFFF0000

_LOAD, _AND, _EQUAL, _AT_LEAST, _JUMP, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x05, 0x06
# Offsets in struct seccomp_data of a little-endian machine; arguments have 64 bits.
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_FARTHEST = 255  # of a conditional jump
_LONGEST = 4096  # instructions of a program (BPF_MAXINSNS)
OTHER_ABI = 0x40000000  # the bit of numbers of a second ABI (__X32_SYSCALL_BIT)
Code = list[tuple[int, int, int, int]]  # operation, jump if true, jump if false, operand


def errno(number: int) -> int:
    """Return the action that fails a system call with an error number."""
    return _ERRNO | number


@dataclass(frozen=True)
class Match:
    """A test of the low 32 bits of an argument: masked, it is one of `values`, or none of them."""

    argument: int
    values: tuple[int, ...]
    mask: int = 0xFFFFFFFF
    negated: bool = False


@dataclass(frozen=True)
class Rule:
    """An action for a system call whose arguments meet all tests."""

    action: int
    tests: tuple[Match, ...] = ()


@dataclass(frozen=True)
class Layer:
    """A filter: rules by number, and the action for system calls without a rule that applies.

    Of several rules that apply, the most restrictive one counts. Rules with tests need the default ALLOW.
    """

    rules: Mapping[int, Sequence[Rule]]
    default: int = ALLOW
    known: frozenset[int] | None = None  # if given, `unknown` is the action for numbers beyond it
    unknown: int = ALLOW

    def outcomes(self, number: int | None) -> list[Rule]:
        """Return the rules of a number, or of a number that no layer names; one of them has no test."""
        rules = self.rules.get(number, ()) if number is not None else ()
        if any(not rule.tests for rule in rules):
            return [*rules]
        outside = self.known is not None and number not in self.known
        return [*rules, Rule(self.unknown if outside else self.default)]


def compiled(layers: Sequence[Layer], architecture: int, foreign: int, second: int) -> bytes:
    """Return the program for all layers, of which the most restrictive action applies, as in the kernel.

    `architecture` is AUDIT_ARCH_… of the machine, `foreign` the action for system calls of another
    architecture and `second` that for the second ABI of this one (OTHER_ABI).
    """
    layers = layers or (Layer({}),)
    numbers = sorted({number for layer in layers for number in (*layer.rules, *(layer.known or ()))})
    other = _leaf(_combined(layers, None))
    pieces: list[tuple[int, Code]] = [(0, other)]  # the first number of a range, and its code
    expected = 0
    for number in numbers:
        if number > expected and pieces[-1][1] != other:
            pieces.append((expected, other))
        code = _leaf(_combined(layers, number))
        if pieces[-1][0] == number:
            pieces[-1] = (number, code)
        elif pieces[-1][1] != code:
            pieces.append((number, code))
        expected = number + 1
    if pieces[-1][1] != other:
        pieces.append((expected, other))
    search = _search(pieces)
    check: Code = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, foreign)]
    check += [(_LOAD, 0, 0, _NUMBER), (_AT_LEAST, 0, 1, OTHER_ABI), (_RETURN, 0, 0, second)]
    code = check + search
    if len(code) > _LONGEST:
        raise ValueError("the seccomp program is too long for the kernel")
    return b"".join(struct.pack("<HBBI", *each) for each in code)


def _combined(layers: Sequence[Layer], number: int | None) -> tuple[Rule, ...]:
    """Return the rules of all layers for a number, the most restrictive first, up to one without tests.

    Of two actions of one kind, that of the later layer applies.
    """
    found = []
    for place, layer in enumerate(layers):
        for rule in sorted(layer.outcomes(number), key=lambda each: _rank(each.action)):
            found.append((_rank(rule.action), -place, rule))
            if not rule.tests:
                break  # the other rules of this layer do not apply
    kept: dict[Rule, None] = {}
    for _, _, rule in sorted(found, key=lambda each: each[:2]):
        kept.setdefault(rule)
        if not rule.tests:
            break
    return tuple(kept)


def _rank(action: int) -> int:
    """Return the kernel's order of actions: it compares them as signed numbers."""
    kind = action & _ACTION
    return kind - (1 << 32) if kind & 0x80000000 else kind


def _leaf(rules: Iterable[Rule]) -> Code:
    """Return the code that tests the rules in turn; the last one has no test."""
    code: Code = []
    for rule in rules:
        body: Code = [(_RETURN, 0, 0, rule.action)]
        for test in reversed(rule.tests):
            body = _test(test, len(body)) + body
        code += body
    return code


def _test(test: Match, skipped: int) -> Code:
    """Return the code that goes on if the test succeeds, and else skips `skipped` more instructions."""
    code: Code = [(_LOAD, 0, 0, _ARGUMENTS + 8 * test.argument)]
    if test.mask != 0xFFFFFFFF:
        code.append((_AND, 0, 0, test.mask))
    count = len(test.values)
    for at, value in enumerate(test.values):
        rest = count - 1 - at  # comparisons after this one
        if test.negated:
            code.append((_EQUAL, rest + skipped, 0, value))
        else:
            code.append((_EQUAL, rest, 0 if rest else skipped, value))
    if not count and not test.negated:
        code.append((_JUMP, 0, 0, skipped))
    return code


def _search(pieces: Sequence[tuple[int, Code]]) -> Code:
    """Return the code that runs the piece to whose range the number in the accumulator belongs."""
    if len(pieces) == 1:
        return pieces[0][1]
    middle = len(pieces) // 2
    left, right = _search(pieces[:middle]), _search(pieces[middle:])
    first = pieces[middle][0]
    if len(left) <= _FARTHEST:
        return [(_AT_LEAST, len(left), 0, first), *left, *right]
    return [(_AT_LEAST, 0, 1, first), (_JUMP, 0, 0, len(left)), *left, *right]
