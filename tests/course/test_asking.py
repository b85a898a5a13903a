"""Whatever the reader's code does, it becomes a plain record."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.course.asking import Reply, ask, read_transcript, transcript
from vlab.course.exercises import Exercise
from vlab.language import VlabError

EXERCISE = Exercise("00-1", "f", lambda random: [(n, [n]) for n in range(3)], seconds=0.3)


class Rude(Exception):
    def __str__(self):
        raise RuntimeError


def raiser(error):
    def work(number, numbers):
        raise error

    return work


def one(work):
    return ask(EXERCISE, work, 0)[0]


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
    replies = [
        Reply("value", {"a": [1, None]}),
        Reply("value", (1, {2: True})),
        Reply("raised", note="no\nbreak\t"),
    ]
    assert read_transcript(transcript(replies)) == replies


def test_a_transcript_is_not_trusted():
    bad = ["x", "[1, 2]", '[1, 2, "x"]', '["value", 1, 3]', "{}", "[" * 9999, '["a", 1, ""] []', '"abc"']
    bad += [
        f'["value", 1, ""]\t{kinds}'
        for kinds in ("", "1 1", '{"x": 1}', '{"s": [[1]]}', "[" * 9999, "9" * 99)
    ]
    bad += ['["value", 1, ""]\t{"d": [[{"d": []}, 1]]}', '["value", 1, ""]\t{"d": [[1]]}', '["value", 1, ""]']

    assert [reply.kind for reply in read_transcript("\n".join(bad))] == ["strange"] * len(bad)


@given(st.text())
def test_any_text_is_read_without_an_error(text):
    assert all(isinstance(reply, Reply) for reply in read_transcript(text))
