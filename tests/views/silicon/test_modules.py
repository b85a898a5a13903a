"""Pictures of who may install a hypervisor and who may use it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.views.structure import all_text, check
from vlab.language import LANGUAGES, set_language
from vlab.silicon import Modules, try_modules
from vlab.silicon.modules import CALLS, Device, Request
from vlab.views import modules_picture

RECORDED = try_modules(live=False)
WORDS = st.text(st.characters(categories=("L", "N", "P")), max_size=40)
REQUESTS = st.builds(
    Request,
    st.booleans(),
    st.booleans(),
    st.sampled_from(CALLS),
    st.sampled_from(("", "EPERM", "ENOEXEC", "ENOSYS", "EACCES", "ENOENT", "EINVAL", "ENAMETOOLONG")),
)


@given(
    st.lists(REQUESTS, max_size=8),
    st.none() | st.builds(Device, WORDS, WORDS, WORDS, WORDS),
    st.lists(WORDS, max_size=9),
    st.booleans(),
    st.sampled_from(LANGUAGES),
)
def test_any_answers_are_drawn_whole(requests, device, modules, details, code):
    set_language(code)
    found = Modules(tuple(requests), device, tuple(modules), RECORDED.host, why="x")
    check(modules_picture(found, details=details))


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_request_has_its_row(code):
    set_language(code)
    words = all_text(RECORDED.details)
    assert [line for line in words if line in CALLS] == [one.call for one in RECORDED.requests]
    assert "EACCES" in words and "EACCES" not in all_text(modules_picture(RECORDED))


@pytest.mark.parametrize(
    ("requests", "marks"),
    [
        ((), ["sethostname() ?", "sethostname() ?", "init_module() ?", "open() ?"]),
        (RECORDED.requests, ["sethostname() ✗", "sethostname() ✓", "init_module() ?", "open() ?"]),
        (
            (
                Request(True, False, "sethostname", "EPERM"),
                Request(True, True, "init_module", "ENOEXEC"),
                Request(False, False, "open", ""),
            ),
            ["sethostname() ?", "sethostname() ✗", "init_module() ✓", "open() ✓"],
        ),
    ],
)
def test_an_arrow_claims_only_what_was_seen(requests, marks):
    found = Modules(tuple(requests), None, (), RECORDED.host, why="x")
    assert [line for line in all_text(found.details) if "() " in line and line[-1] in "✓✗?"] == marks
    still = [line for line in all_text(modules_picture(found)) if "() " in line and line[-1] in "✓✗?"]
    assert still == ["sethostname() ✗", "sethostname() ?", "init_module() ?", "open() ?"]
