"""A time limit that nothing in Python gets round."""

import signal
import threading
import time

import pytest

from vlab.course import limits
from vlab.course.limits import TimeUp, within


def endless():
    while True:
        pass


def deaf():
    while True:
        try:
            while True:
                pass
        except Exception:
            pass


def asleep():
    time.sleep(30)


def test_what_ends_in_time_gives_its_result():
    assert within(5, lambda: 3) == 3


@pytest.mark.parametrize("work", [endless, deaf, asleep])
def test_what_does_not_is_ended(work):
    with pytest.raises(TimeUp):
        within(0.05, work)


def test_the_alarm_and_its_handler_are_as_before():
    before = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)[0] > 0
    within(5, lambda: None)
    with pytest.raises(TimeUp):
        within(0.01, endless)
    assert (signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)[0] > 0) == before


def test_an_error_of_the_work_is_its_own():
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 / 0)


def test_outside_the_main_thread_there_is_no_limit():
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(within(0.01, lambda: time.sleep(0.05))))
    thread.start()
    thread.join()
    assert found == [None]


def test_without_an_alarm_another_thread_ends_it(monkeypatch):
    monkeypatch.delattr(signal, "setitimer")
    assert within(5, lambda: 3) == 3
    with pytest.raises(TimeUp):
        within(0.05, deaf)


def test_ctrl_c_stays_ctrl_c():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        limits._by_thread(5, interrupted)
