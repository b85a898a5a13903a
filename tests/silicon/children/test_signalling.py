"""The child that plays signals, its functions called here: it leaves this process as it was."""

import signal

from tests.silicon.hosts import LINUX
from vlab.silicon.children import signalling

pytestmark = LINUX


def play(*steps):
    return signalling.answer({"steps": [step.split() for step in steps]})


def test_blocked_signals_wait_once_and_are_delivered_lowest_first():
    found = play(
        "block SIGUSR1 SIGUSR2",
        "send SIGUSR2",
        "send SIGUSR1",
        "send SIGUSR1",
        "unblock SIGUSR1 SIGUSR2",
    )
    assert [row["pending"] for row in found] == [[], ["SIGUSR2"], *[["SIGUSR1", "SIGUSR2"]] * 2, []]
    assert [row["delivered"] for row in found] == [[]] * 4 + [["SIGUSR1", "SIGUSR2"]]


def test_one_that_is_not_blocked_is_delivered_at_once():
    (found,) = play("send SIGUSR1")
    assert found == {"pending": [], "delivered": ["SIGUSR1"], "taken": ""}


def test_a_wait_takes_what_is_pending_and_no_handler_is_entered():
    found = play("block SIGUSR1", "send SIGUSR1", "wait SIGUSR1", "unblock SIGUSR1")
    assert [row["taken"] for row in found] == ["", "", "SIGUSR1", ""]
    assert not any(row["delivered"] for row in found)


def test_what_no_one_sends_is_not_waited_for():
    found = play("block SIGUSR1", "wait SIGUSR1", "send SIGUSR1")
    assert found[1:] == [{"error": "forever"}]


def test_this_process_is_as_it_was():
    def facts():
        handlers = {one: signal.getsignal(one) for one in (signal.SIGUSR1, signal.SIGALRM)}
        return handlers, signal.pthread_sigmask(signal.SIG_BLOCK, ())

    before = facts()
    play("block SIGUSR1 SIGALRM", "send SIGUSR1")
    assert facts() == before
