"""Whatever the reader's code does, it becomes a plain record."""

import enum
import sys
from collections import Counter, OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.course.asking import Reply, Strange, ask, plain, read_transcript, transcript
from vlab.course.exercises import Exercise
from vlab.language import VlabError

EXERCISE = Exercise("00-1", "f", lambda random: [(n, [n]) for n in range(3)], seconds=0.3)


class Number:
    def __index__(self):
        return 7


class Colour(enum.IntEnum):
    RED = 3


class Rude(Exception):
    def __str__(self):
        raise RuntimeError


def raiser(error):
    def work(number, numbers):
        raise error

    return work


def one(work):
    return ask(EXERCISE, work, 0)[0]


def forever():
    while True:
        yield 1


class Endless(list[int]):
    __iter__ = staticmethod(forever)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (True, 1),
        (Colour.RED, 3),
        (Number(), 7),
        ((1, [2]), [1, [2]]),
        ({3, 1, 2}, [1, 2, 3]),
        (Counter("aab"), {"a": 2, "b": 1}),
        (OrderedDict(b=1), {"b": 1}),
        ({1: (None,)}, {"1": [None]}),
        (1.5, "1.5"),
        (float("nan"), "nan"),
        (1 << 255, 1 << 255),
    ],
)
def test_plain_values(value, wanted):
    assert plain(value) == wanted


def nested(depth):
    value: list[object] = []
    for _level in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        object(),
        b"x",
        len,
        1 << 256,
        [0] * 60_000,
        Endless(),
        nested(10 * sys.getrecursionlimit()),
        [{1}, int],
    ],
)
def test_values_that_are_not_plain(value):
    with pytest.raises(Strange):
        plain(value)


@pytest.mark.parametrize(
    ("work", "kind", "note"),
    [
        (lambda n, ns: n, "value", ""),
        (raiser(NotImplementedError()), "pending", ""),
        (raiser(KeyError("x")), "raised", "KeyError: 'x'"),
        (raiser(ValueError("two\nlines <object at 0x7f12ab>")), "raised", "ValueError: two lines <object>"),
        (raiser(VlabError("What.", mend="How.")), "raised", "VlabError: What."),
        (raiser(Rude()), "raised", "Rude"),
        (raiser(SystemExit(3)), "raised", "SystemExit: 3"),
        (raiser(MemoryError()), "memory", ""),
        (lambda n, ns: ns.append(1), "changed", ""),
        (lambda n, ns: print("x" * 1000), "printed", "x" * 200),
        (lambda n, ns: (print("seen"), 5), "value", ""),
        (lambda n, ns: print("no", file=sys.stderr), "printed", "no\n"),
        (lambda n, ns: open, "strange", "builtin_function_or_method"),
        (3, "raised", "TypeError: 'int' object is not callable"),
        (lambda: 1, "raised", None),
    ],
)
def test_each_kind_of_reply(work, kind, note, capsys):
    reply = one(work)
    assert reply.kind == kind
    assert note is None or reply.note == note
    assert capsys.readouterr() == ("", "")


def test_nothing_is_asked_after_an_endless_or_a_pending_reply():
    def endless(number, numbers):
        while number == 1:
            pass
        return number

    assert [reply.kind for reply in ask(EXERCISE, endless, 0)] == ["value", "endless"]
    assert [reply.kind for reply in ask(EXERCISE, raiser(NotImplementedError()), 0)] == ["pending"]


def test_ctrl_c_is_the_readers():
    with pytest.raises(KeyboardInterrupt):
        ask(EXERCISE, raiser(KeyboardInterrupt()), 0)


def test_the_line_of_the_cell_is_named(tmp_path):
    import linecache

    source = "def f(n, ns):\n    return ns[5]\n"
    file = "/tmp/ipykernel_1/1.py"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    names: dict[str, object] = {}
    exec(compile(source, file, "exec"), names)
    assert one(names["f"]).note == "IndexError: list index out of range (line 2: return ns[5])"


def test_a_transcript_reads_back():
    replies = [Reply("value", {"a": [1, None]}), Reply("raised", note="no\nbreak")]
    assert read_transcript(transcript(replies)) == replies


def test_a_transcript_is_not_trusted():
    bad = ["x", "[1, 2]", '[1, 2, "x"]', '["value", 1, 3]', "{}", "[" * 9999, '["a", 1, ""] []', '"abc"']
    assert [reply.kind for reply in read_transcript("\n".join(bad))] == ["strange"] * len(bad)


@given(st.text())
def test_any_text_is_read_without_an_error(text):
    assert all(isinstance(reply, Reply) for reply in read_transcript(text))
