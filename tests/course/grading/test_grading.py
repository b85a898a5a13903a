"""The ways to fool the checker. Each submission is graded as a student's would be, by a worker and a kernel.

Some tests switch the rules for blanks off (`careful=False`), to see what the walls behind them hold.
"""

import json
import os
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from tests.course.solutions import PATH, blanks, submission
from vlab import files
from vlab.course import students
from vlab.course.grading import pool, sandbox
from vlab.course.grading.worker import Job

NAME = "07_trap_and_emulate"
IDS = ("07-1", "07-2", "07-3", "07-4", "07-5", "07-6")  # 07-7 is never attacked
STUBS = {f"x{name.replace('-', '_')}": students.stub(source) for name, source in blanks(NAME).items()}
SOLUTION = PATH / f"{NAME}.ipynb"
PRISTINE = files.folder("notebooks") / f"en/exercises/{NAME}.ipynb"
SERVER = socket.create_server(("127.0.0.1", 0))
PORT = SERVER.getsockname()[1]


@dataclass
class Attack:
    """What stands in the blanks instead of the solution, what is done to the file, and how it is graded."""

    blanks: dict[str, str]
    states: str  # of the exercises in order: + right, - wrong, . pending, ? missing, ! refused, x broken
    careful: bool = False
    seconds: float = 60
    memory: int = 2 << 30
    separate: bool = True
    change: object = None
    told: dict[str, str] = field(default_factory=dict)


def edited(book):
    """Everything around the blanks is tampered with."""
    cells = {cell["id"]: cell for cell in book["cells"]}
    cells["07-4-check"]["source"] = "print('07-4 right: 72 cases, answers 031cb524')"
    cells["07-2-check"]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "07-2 right"}]
    cells["imports"]["source"] = "check = quiz = print"
    cells["07-3-blank"]["metadata"]["tags"] = ["nbval-skip"]
    cells["07-3-check"]["metadata"] = {"vlab": {"explains": "07-3"}, "tags": ["nbval-ignore-output"]}
    for deleted in ("07-5-check", "07-5-hints", "07-5-blank", "language"):
        book["cells"].remove(cells[deleted])
    cells["07-6-hints"]["id"], cells["07-6-blank"]["cell_type"] = "07-6-blank", "raw"


def swapped(book):
    """Two blanks have each other's ids, and one stands there twice."""
    cells = {cell["id"]: cell for cell in book["cells"]}
    cells["07-1-blank"]["id"], cells["07-2-blank"]["id"] = "07-2-blank", "07-1-blank"
    book["cells"].append({**cells["07-3-blank"], "source": "def emulate_csr(*a): return 0"})


def raising(name, expression):
    """A function that tells in its error what it got hold of."""
    return f"import os, sys, gc\ndef {name}(*a):\n    raise Exception(str({expression}))"


THEIR_KEYS = "from vlab.course.answers.lesson_07 import KEYS"
LISTS = "\nin_pairs = decide\ndef decide(*a):\n    return list(in_pairs(*a))"
QUICK = {
    "lists for pairs": Attack({"x07_2": blanks(NAME)["07-2"] + LISTS}, "++++++"),
    "wrong pairs": Attack(
        {"x07_2": "def decide(*a):\n    return 'fill', None"},
        "+-++++",
        told={"07-2": "yours     ('fill', None)\n"},
    ),
    "blank, wrong, crash, hard-coded": Attack(
        {
            "x07_1": "def deliverable(*a):\n    return None",
            "x07_2": STUBS["x07_2"],
            "x07_3": "def emulate_csr(*a):\n    return a[0]['nothing']",
            "x07_4": "print('07-4 right: 72 cases, answers 031cb524')\ndef take_trap(*a):\n    pass",
        },
        "-.--++",
        careful=True,
        told={"07-1": "The smallest:", "07-3": "KeyError: 'nothing' (line 2:"},
    ),
    "edited, deleted, forged, marked": Attack(
        {
            "x07_2": "# NBVAL_SKIP\ndef decide(*a):\n    return 'fill', None",
            "x07_3": "# NBVAL_IGNORE_OUTPUT\n" + STUBS["x07_3"],
            "x07_4": "def take_trap(*a):\n    pass",
        },
        "+-.-??",
        careful=True,
        change=edited,
        told={"07-5": "its cell is missing", "07-6": "its cell is no code cell"},
    ),
    "swapped and doubled cells": Attack(
        {name: STUBS[name] for name in ("x07_4", "x07_5", "x07_6")},
        "!!?...",
        careful=True,
        change=swapped,
        told={"07-1": "does not define `deliverable`", "07-3": "2 cells claim"},
    ),
    "what the rules refuse": Attack(
        {
            "x07_1": "import os\nos._exit(0)",
            "x07_2": "import builtins\nbuiltins.print = id\ndef decide(*a): pass",
            "x07_3": "def emulate_csr(*a):\n    return open('notebook.ipynb')",
            "x07_4": "from vlab.course.answers.lesson_07 import KEYS\ndef take_trap(*a): pass",
            "x07_5": "def exits_per_call(run):\n    return exits_per_call.__globals__",
            "x07_6": "import socket\nclass Mine: pass",
        },
        "!!!!!!",
        careful=True,
    ),
    "looking for answers, the disk, the network": Attack(
        {
            "x07_1": f"def deliverable(*a):\n    {THEIR_KEYS}\n    return KEYS['07-1'].answer(a)",
            "x07_2": f"import socket\ndef decide(*a):\n    socket.create_connection(('127.0.0.1', {PORT}), 3)",
            "x07_3": f"def emulate_csr(*a):\n    return open({str(SOLUTION)!r}).read()[:50]",
            "x07_4": f"def take_trap(*a):\n    open({str(PRISTINE)!r}, 'a').write('x')",
            "x07_5": raising(
                "exits_per_call", "[n for n in sys.modules if 'answers' in n] + sorted(os.listdir('.'))"
            ),
        },
        "-----+",
        told={
            "07-1": "vlab.course.answers.lesson_07 is not to be had here",
            "07-2": "PermissionError",
            "07-3": "PermissionError",
            "07-4": "PermissionError",
            "07-5": "Exception: ['ipython', 'tmp",
        },
    ),
    "os._exit": Attack(
        {"x07_1": "import os\nos._exit(0)"}
        | {name: STUBS[name] for name in ("x07_2", "x07_3", "x07_4", "x07_5")},
        "x....+",
        told={"07-1": "it ended the kernel"},
    ),
    "endless cell, memory hog": Attack(
        {
            "x07_2": "def decide(*a): pass\nwhile True: pass",
            "x07_3": "def emulate_csr(*a):\n    x = []\n    while True: x.append(bytes(10**7))",
        }
        | {name: STUBS[name] for name in ("x07_1", "x07_4", "x07_5")},
        ".xx..+",
        seconds=32,
        told={"07-2": "does not come to an end in time", "07-3": "needs more memory"},
    ),
}
SLOW = {
    "patched print, killed parent, other programs, memory of others": Attack(
        {
            "x07_1": "import builtins\nbuiltins.print = id\ndef deliverable(*a): return 5",
            "x07_2": "import os\ndef decide(*a):\n    os.kill(os.getppid(), 9)",
            "x07_3": "import subprocess\ndef emulate_csr(*a):\n    subprocess.run(['true'])",
            "x07_4": raising("take_trap", "open(f'/proc/{os.getppid()}/mem', 'rb').read(9)"),
            "x07_5": raising(
                "exits_per_call", "[o for o in gc.get_objects() if 'judging' in str(type(o).__module__)]"
            ),
            "x07_6": 'import os\nos.write(1, b\'["value", 1, ""]\')\nclass Mine: pass',
        },
        "------",
        told={
            "07-1": "its check shows nothing",
            "07-2": "os.kill",
            "07-3": "subprocess",
            "07-5": "Exception: []",
        },
    ),
    "patched check": Attack(
        {
            "x07_1": "def check(*a, **k):\n    print('07-1 right')\ndef deliverable(*a): pass",
            "x07_3": "import vlab.course.asking as it\nit.ask = lambda *a: []\ndef emulate_csr(*a): pass",
            "x07_6": "import sys\nfor frame in sys._current_frames().values(): frame.f_locals\nclass Mine: pass",
        },
        "------",
    ),
    "without the system's wall": Attack(
        {
            "x07_1": f"def deliverable(*a):\n    {THEIR_KEYS}\n    return KEYS['07-1'].answer(a)",
            "x07_2": f"import socket\ndef decide(*a):\n    socket.create_connection(('127.0.0.1', {PORT}), 3)",
            "x07_3": f"def emulate_csr(*a):\n    return open({str(SOLUTION)!r}).read()[:50]",
            "x07_4": f"def take_trap(*a):\n    open({str(PRISTINE)!r}, 'a').write('x')",
            "x07_5": "import os\ndef exits_per_call(run):\n    return os.system('true')",
        },
        "-----+",
        separate=False,
    ),
    "endless, asked or not": Attack(
        {"x07_5": "def exits_per_call(run):\n    while True: pass"},
        "++++-+",
        careful=True,
        told={"07-5": "within 10 seconds"},
    ),
    "endless in C": Attack({"x07_2": "def decide(*a):\n    return sum(range(10**15))"}, "+x++++", seconds=32),
    "a flood of output": Attack(
        {"x07_1": "def deliverable(*a): pass\nwhile True: print('x' * 10**6)"}, "x+++++"
    ),
    "memory at once": Attack({"x07_3": "x = bytearray(10**11)\ndef emulate_csr(*a): pass"}, "++x+++"),
    "ten threads": Attack(
        {
            "x07_1": "import threading\ndef spin():\n    while True: pass\nfor n in range(10): "
            "threading.Thread(target=spin).start()\ndef deliverable(*a): pass"
        },
        "-+++++",
    ),
}


def grade_all(attacks, folder):
    before = SOLUTION.read_bytes(), PRISTINE.read_bytes()

    def grade(number, attack):
        place = folder / str(number)
        place.mkdir()
        path = submission(place, NAME, **attack.blanks)
        if attack.change is not None:
            book = json.loads(path.read_text())
            attack.change(book)
            path.write_text(json.dumps(book))
        separate = attack.separate and sandbox.can_separate()
        job = Job(
            path,
            folder / f"work/{number}",
            None,
            5,
            attack.seconds,
            attack.memory,
            separate,
            careful=attack.careful,
        )
        return pool.grade(job)

    (folder / "tmp").mkdir()
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(os.cpu_count()) as threads:
        patch.setenv("TMPDIR", str(folder / "tmp"))  # one that may be hidden
        reports = dict(zip(attacks, threads.map(grade, range(len(attacks)), attacks.values()), strict=True))
    assert (SOLUTION.read_bytes(), PRISTINE.read_bytes()) == before
    return reports


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    return grade_all(QUICK, tmp_path_factory.mktemp("quick"))


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    return grade_all(SLOW, tmp_path_factory.mktemp("slow"))


def judged(attack, report):
    signs = dict(zip(("right", "wrong", "pending", "missing", "refused", "broken"), "+-.?!x", strict=True))
    assert report.trouble == ""
    assert "".join(signs[report.states[name]] for name in IDS) == attack.states, report.messages
    for name, words in attack.told.items():
        assert words in report.messages[name]


@pytest.mark.parametrize("name", QUICK)
def test_it_is_caught(quick, name):
    judged(QUICK[name], quick[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_it_is_caught_too(slow, name):
    judged(SLOW[name], slow[name])


def test_nobody_was_called(quick):
    SERVER.setblocking(False)
    with pytest.raises(BlockingIOError):
        SERVER.accept()


def test_points_are_those_of_what_is_right(quick):
    report = quick["blank, wrong, crash, hard-coded"]
    assert (report.points, report.of) == (2 + 4 + 2, 15)
    assert report.notebook == NAME


@pytest.mark.skipif(sys.platform == "win32", reason="there are no folders of this kind")
def test_nothing_is_left_behind(quick, tmp_path_factory):
    assert list(tmp_path_factory.getbasetemp().glob("quick*/work/*/*/work/notebook.ipynb")) == []
