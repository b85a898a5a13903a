"""What a blank may use: honest work passes, and nothing that could reach the checker does."""

import pytest

from tests.course.solutions import blanks, notebook
from vlab.course.exercises import find
from vlab.course.grading.bank import given
from vlab.course.grading.rules import objections, without_markers

NAME = "07_trap_and_emulate"
TAKEN = given(notebook(NAME))
BODY = "def deliverable(*a):\n    return "


def about(source, exercise="07-1"):
    return objections(source, find(exercise), TAKEN)


@pytest.mark.parametrize(("exercise", "source"), blanks(NAME).items())
def test_the_solutions_pass(exercise, source):
    assert about(source, exercise) == []


@pytest.mark.parametrize(
    "source",
    [
        "from collections import Counter, defaultdict\nfrom functools import cache\nimport math, itertools\n"
        "from dataclasses import dataclass\n\n@dataclass\nclass A:\n    x: int = 0\n    def exit(self):\n"
        "        return super().__init__()\n\n"
        + BODY
        + "sorted(map(math.sqrt, itertools.count()), key=lambda x: -x)",
        "def helper(x):\n    global seen\n    seen = [*x]\n    match x:\n        case [a, *rest] if a: return rest\n"
        "        case {'k': v, **more}: return v, more\n    try:\n        pass\n    except KeyError as error:\n"
        "        print(f'{error!r:>9}')\n\n"
        + BODY
        + "helper(a) or {i: j for i, j in zip(a, a)}\n\nprint(helper([1]))",
        "class deliverable:\n    pass",
        "async def deliverable(*a):\n    return [x async for x in a]",
    ],
)
def test_plain_python_passes(source):
    assert about(source) == []


@pytest.mark.parametrize(
    ("source", "objection"),
    [
        ("import os\n" + BODY + "os", "line 1 imports `os`"),
        ("import os.path as p\n" + BODY + "p", "imports `os.path`"),
        (
            "from vlab.course.answers.lesson_07 import KEYS\n" + BODY + "KEYS",
            "imports `vlab.course.answers.lesson_07.KEYS`",
        ),
        ("from vlab.machine import Machine\n" + BODY + "Machine", "imports `vlab.machine.Machine`"),
        ("from typing import sys\n" + BODY + "sys", "imports `typing.sys`"),
        ("from . import x\n" + BODY + "x", "imports"),
        ("from os import *\n" + BODY + "system", "imports"),
        (BODY + "open('x')", "line 2 uses `open`"),
        (BODY + "eval('1')", "uses `eval`"),
        (BODY + "__import__('os')", "uses `__import__`"),
        (BODY + "__builtins__", "uses `__builtins__`"),
        (BODY + "getattr(a, 'b')", "uses `getattr`"),
        (BODY + "globals()", "uses `globals`"),
        (BODY + "check", "uses `check`"),
        (BODY + "get_ipython()", "uses `get_ipython`"),
        (BODY + "In[0]", "uses `In`"),
        (BODY + "Machine", "uses `Machine`"),
        (BODY + "TrapAndEmulate", "uses `TrapAndEmulate`"),
        (BODY + "a.__class__", "uses `.__class__`"),
        (BODY + "a._x", "uses `._x`"),
        (BODY + "(x for x in a).gi_frame", "uses `.gi_frame`"),
        (BODY + "f'{a.__dict__}'", "uses `.__dict__`"),
        (
            "def deliverable(x):\n    match x:\n        case object(__class__=c): return c",
            "uses `.__class__`",
        ),
        ("def deliverable(eval):\n    pass\n\neval('1')", "gives `eval` another meaning"),
        ("print = open = 3\n" + BODY + "1", "gives `open` another meaning"),
        ("def check(*a): pass\n" + BODY + "1", "gives `check` another meaning"),
        ("import math as quiz\n" + BODY + "1", "gives `quiz` another meaning"),
        ("try: pass\nexcept KeyError as vlab: pass\n" + BODY + "1", "gives `vlab` another meaning"),
        (
            "def f(x):\n match x:\n  case [*exec]: pass\n  case {**compile}: pass\n" + BODY + "1",
            "gives `compile` another",
        ),
        ("def f():\n    global check\n" + BODY + "1", "gives `check` another meaning"),
        ("del check\n" + BODY + "1", "gives `check` another meaning"),
        ("def g(): pass", "does not define `deliverable`"),
        ("", "does not define `deliverable`"),
        ("!ls", "line 1 is not plain Python"),
        ("%%bash\nls", "not plain Python"),
        ("def deliverable(", "not plain Python"),
        ("(" * 5000, "not plain Python"),
        ("-" * 19_000 + "1", "not plain Python"),
        ("\0", "not plain Python"),
        ("x = 1\n" * 10_000, "longer than"),
    ],
)
def test_what_is_not_needed_is_refused(source, objection):
    assert objection in "; ".join(about(source))


def test_markers_that_make_nbval_look_away_are_taken_out():
    source = "# NBVAL_SKIP\n  #NBVAL_IGNORE_OUTPUT \nx = 1  # NBVAL_SKIP\n# PYTEST_VALIDATE_IGNORE_OUTPUT\n# a comment"
    assert without_markers(source) == "#\n  #\nx = 1  # NBVAL_SKIP\n#\n# a comment"
