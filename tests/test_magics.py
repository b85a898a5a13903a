"""The magics in a real IPython shell: what they show, what they keep, and how they complain."""

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from nbclient import NotebookClient
from nbformat import v4

import vlab
from vlab import magics
from vlab.riscv import Program

HELLO = r"""
_start: la   a0, text
        li   t1, 0x10000000
1:      lbu  t0, 0(a0)
        beqz t0, end
        sb   t0, 0(t1)
        addi a0, a0, 1
        j    1b
end:    li   t0, 0x5555
        li   t1, 0x100000
        sw   t0, 0(t1)
text:   .asciz "hi\n"
"""
ECHO = "li t1, 0x10000000\n1: lbu t0, 5(t1)\nandi t0, t0, 1\nbeqz t0, 1b\nlbu t0, 0(t1)\nsb t0, 0(t1)\nj 1b"


@pytest.fixture(scope="module")
def shell():
    shell = InteractiveShell.instance()
    shell.run_cell("%load_ext vlab")
    yield shell
    InteractiveShell.clear_instance()


class Ran:
    """What a cell gave, and all that it wrote."""

    def __init__(self, shell, cell):
        with capture_output() as seen:
            self.done = shell.run_cell(cell)
        self.result, self.text, self.shown = self.done.result, seen.stdout + seen.stderr, seen


@pytest.fixture
def run(shell):
    return lambda cell: Ran(shell, cell)


def test_a_guest_runs_bare(run):
    ran = run("%%guest" + HELLO)
    assert ran.text.startswith("hi\n")
    assert repr(ran.result) == (
        "The guest switched its computer off with status 0 at time 24. Traps of the real hart: none."
    )
    assert ran.result.recording is None
    assert set(ran.result._repr_mimebundle_()[0]) == {"text/plain"}


def test_a_guest_runs_in_virtual_machines_and_its_traps_are_counted_and_shown(run):
    ran = run("%%guest --depth 2 --trace" + HELLO)
    outcome = ran.result
    assert ran.text.startswith("hi\n")
    assert outcome.computer.level == 2
    assert "Exits of the guest: 5 (device access 4, shadow fill 1)." in outcome.sentence
    traps = sum(type(event).__name__ == "Trap" and not event.level for event in outcome.recording)
    assert f"Traps of the real hart: {traps} (" in outcome.sentence
    shown, metadata = outcome._repr_mimebundle_()
    assert shown["text/plain"] == outcome.sentence
    assert shown["text/html"].startswith("<p>The guest switched")
    assert 'alt="Trap ladder, events 0 to 23 of' in shown["text/html"]
    assert metadata["image/png"]["alt"].startswith("Trap ladder")
    assert not outcome.machine.events.on


def test_same_output_at_every_depth(run):
    assert (
        len({run(f"%%guest --depth {depth} --memory 1M" + HELLO).text.split("\n")[0] for depth in range(4)})
        == 1
    )


def test_the_machine_is_kept_under_a_name(run, shell):
    ran = run("%%guest --name kept" + HELLO)
    assert shell.user_ns["kept"] is ran.result.machine
    assert shell.user_ns["kept"].console == "hi\n"


def test_what_is_typed_is_read(run):
    ran = run(r"%%guest --steps 4000 --input 'abc\n'" + "\n" + ECHO)
    assert ran.text.startswith("abc\n")
    assert "The limit of 4 000 instructions is reached; the guest is at" in ran.result.sentence


def test_a_guest_that_gets_nowhere_says_so(run):
    assert "jumps to where it stands" in run("%%guest\nj .").result.sentence


def test_a_long_console_is_cut(run, monkeypatch):
    monkeypatch.setattr(magics, "SHOWN", 1)
    assert run("%%guest" + HELLO).text.startswith("h\n… and 2 more characters\n")


def test_only_so_many_events_are_kept(run, monkeypatch):
    monkeypatch.setattr(magics, "RECORDED", 10)
    ran = run("%%guest --depth 1 --trace" + HELLO)
    assert len(ran.result.recording) == 10
    assert ran.result.sentence.endswith("Only the first 10 events were kept.")


def test_a_mistake_is_shown_at_its_line_of_the_cell_without_a_traceback(run):
    for magic in ("guest", "asm"):
        ran = run(f"%%{magic}\nli a0, 1\n  lii a1, 4\n")
        assert not ran.done.success
        assert isinstance(ran.done.error_in_exec, vlab.VlabError)
        assert ran.text.strip() == (
            "cell:3:3: There is no instruction `lii`.\n      lii a1, 4\n      ^\nDid you mean `li`?"
        )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "%%guest --dept 1",
            "--dept: `%%guest` takes no such argument.\nDid you mean --depth? See `%%guest --help`.",
        ),
        ("%%guest --depth x", "--depth: 'x' is not a depth; depths are 0 to 8.\nSee `%%guest --help`."),
        ("%%guest --depth 9", "9 levels are refused"),
        ("%%guest --technique trap-and-emulat", "Did you mean trap-and-emulate?"),
        ("%%guest --memory 1000", "--memory"),
        ("%%guest --memory 4K", "do not fit"),
        ("%%guest --name 1x", "'1x' cannot be a Python name"),
        ("%%guest --name def", "'def' cannot be a Python name"),
        ("%%guest --name _", "'_' cannot be a Python name"),
        ("%%guest --input 'a", "A quotation mark is not closed."),
        ("%%guest --input ''", "the text is empty"),
        ("%%guest --steps 0", "'0' is not a number of instructions"),
        ("%%guest --base 3", "is not the address of a page"),
        ("%%guest --base 0x1000", "isn't in memory"),
        ("%%asm --base 0x" + "f" * 40, "is not the address of a page"),
        ("%%asm --base four", "'four' is not an address"),
        ("%%asm --base " + "9" * 5000, "is not an address"),
        ("%%asm words", "words: `%%asm` takes no such argument."),
        ("%%asm --trace", "`%%asm` takes no such argument"),
    ],
)
def test_a_wrong_option_is_told_the_mend(run, line, said):
    ran = run(f"{line}\nnop\n")
    assert isinstance(ran.done.error_in_exec, vlab.VlabError)
    assert said in ran.text
    assert "Traceback" not in ran.text


def test_help_is_help(run):
    ran = run("%%guest --help\nnop")
    assert ran.done.success
    assert "usage: %%guest" in ran.text
    assert "--technique" in ran.text


def test_asm_shows_the_listing_and_keeps_the_program(run, shell):
    ran = run("%%asm --name text\nli a0, 1\n.word 5")
    program = shell.user_ns["text"]
    assert isinstance(program, Program)
    assert program is ran.result
    lines = ran.text.splitlines()
    assert lines[0].split() == ["0000000080000000", "00100513", "li", "a0,", "1", "2", "li", "a0,", "1"]
    assert lines[1].split() == ["0000000080000004", "00000005", "3", ".word", "5"]
    assert "<td" in program._repr_mimebundle_()[0]["text/html"]


def test_a_notebook_shows_the_table_instead(run, shell, monkeypatch):
    monkeypatch.setattr(shell, "kernel", object(), raising=False)
    assert "00100513" not in run("%%asm\nli a0, 1").text


def test_in_a_notebook_they_store_what_nbval_compares():
    cells = ["%load_ext vlab", "%%guest --depth 1 --trace --name m" + HELLO, "m.steps > 0", "%%asm\nli a0, 1"]
    book = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells])
    NotebookClient(book, timeout=60, kernel_name="python3").execute()
    console, outcome = book.cells[1].outputs
    assert console["text"] == "hi\n"
    assert outcome["data"]["text/plain"].startswith("The guest switched its computer off")
    assert "<img alt=" in outcome["data"]["text/html"]
    assert book.cells[2].outputs[0]["data"]["text/plain"] == "True"
    (listing,) = book.cells[3].outputs
    assert ">li a0, 1</td>" in listing["data"]["text/html"]


def test_they_speak_the_readers_language(run):
    vlab.set_language("es")
    try:
        assert "El invitado apagó su computador con el estado 0" in run("%%guest" + HELLO).result.sentence
    finally:
        vlab.set_language("en")
