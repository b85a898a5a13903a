"""Which statements make what others need."""

import pytest

from vlab.course.slicing import makers, names, needs, statements

LESSON = [
    "from lib import Machine, Hypervisor",
    "machine = Machine()",
    "vm = Hypervisor(machine).create_vm()",
    "with machine.record() as run:\n    machine.run()",
    "print(machine)",
    "machine = Machine(2)",
    "machine.run()",
    "found = [event for event in run if event]",
    "for event in run:\n    last = event",
    "def look(seen):\n    seen[vm] = other",
    "table = {}",
    "look(table)",
]


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        ({"machine"}, [0, 5, 6]),  # the second one, with what was done to it
        ({"vm"}, [0, 1, 2]),
        ({"run"}, [0, 1, 2, 3]),  # `Hypervisor(machine)` may have changed the machine
        ({"found"}, [0, 1, 2, 3, 7]),
        ({"last"}, [0, 1, 2, 3, 8]),
        ({"table"}, [0, 1, 2, 9, 10, 11]),  # a function of its own changes it, and looks at vm
        ({"nothing"}, []),
        (set(), []),
    ],
)
def test_what_has_to_run(wanted, places):
    assert makers(LESSON, wanted) == places


def test_what_nobody_can_read_always_runs():
    assert makers(["a = 1", "%%guest x\nli a0, 1", "b = 2"], {"b"}) == [1, 2]


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("a = b", {"b"}),
        ("a = 1\nc = a + b", {"b"}),
        ("a += 1", {"a"}),
        ("a[b] = c.d", {"a", "b", "c"}),
        ("def f(x):\n    y = x + z\n    return y", {"z"}),
        ("class A(B):\n    n = m\n\n    def f(self):\n        return self.n + q", {"B", "m", "q"}),
        ("lambda x: x + y", {"y"}),
        ("[x for x in y if x in z]", {"y", "z"}),
        ("import a.b\na.b.c(d)", {"d"}),
        ("if a:\n    b = 1\nelse:\n    b = c", {"a", "c"}),
        ("while a:\n    a = b", {"a", "b"}),
        ("try:\n    a = b\nexcept E as e:\n    c = d\nfinally:\n    f", {"b", "E", "d", "f"}),
        ("with a as b:\n    b.c = d", {"a", "d"}),
        ("for a, b in c:\n    d(a, b)", {"c", "d"}),
    ],
)
def test_what_a_cell_needs(source, wanted):
    assert needs([source]) == wanted


def test_cells_in_order_need_what_none_of_them_binds():
    assert needs(["a = b", "c = a + d", "%magic"]) == {"b", "d"}


def test_statements_of_what_is_no_python():
    assert statements("a = 1\nb = 2") == ["a = 1", "b = 2"]
    assert statements("!ls\n") == ["!ls"]
    assert names("!ls") is None
