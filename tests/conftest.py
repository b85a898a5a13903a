"""What all tests share: `requires`, the rule that CI allows no skip, and random tests that repeat."""

import os
import signal
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from vlab.course.doctor import TOOLS
from vlab.language import set_language

# The same examples in every run: a red test stays red until it is mended. VLAB_EXAMPLES=n tries more of them.
settings.register_profile(
    "vlab",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=int(os.environ.get("VLAB_EXAMPLES", "100")),
)
settings.load_profile("vlab")

# A shell's background job inherits these ignored, and so would every `vlab` that a test starts and interrupts.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("VLAB_NO_SKIPS") == "1":
        config.pluginmanager.register(NoSkips(), "vlab-no-skips")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked `@pytest.mark.requires("dtc", ...)` where the host lacks one of these tools."""
    for marker in item.iter_markers("requires"):
        for name in marker.args:
            if TOOLS[name].path() is None:
                pytest.skip(f"this host has no {name}; mend: {TOOLS[name].mend()}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browser's files first, the rest by their number of tests: the last one begun should not be a long one."""
    tests = Counter(item.path for item in items)
    browsed = {
        item.path for item in items for mark in item.iter_markers("requires") if "chromium" in mark.args
    }
    items.sort(key=lambda item: (item.path not in browsed, -tests[item.path]))


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> Generator[None, None, None]:
    """Every test starts in English, whatever the language of the host and of the test before."""
    monkeypatch.setenv("VLAB_LANG", "en")
    set_language("en")
    yield
    set_language("en")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout under test."""
    return Path(__file__).parent.parent


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The browser of this host; one for a whole file."""
    from tests.views.pages import chromium

    with chromium() as browser:
        yield browser


class NoSkips:
    """Makes every skip a failure, wherever it comes from: a mark, a call, an import, a notebook's cell.

    A plugin of its own, because a conftest's hooks don't see the tests outside its folder. Expected failures
    (xfail) stay what they are.
    """

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.skipped and not hasattr(report, "wasxfail"):
            _fail(report)
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(self) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        report = yield
        if report.skipped:
            _fail(report)
        return report


def _fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    # With the name, because pytest-xdist shows only one of several collection errors that read the same.
    report.longrepr = f"{report.nodeid}: skipped, and VLAB_NO_SKIPS allows no skip. {reason}"
