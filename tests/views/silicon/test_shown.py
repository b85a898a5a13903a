"""What was seen on the reader's own computer, on a live page."""

import dataclasses

import pytest

from vlab.silicon import run_in_kvm
from vlab.views.silicon.shown import _page

RUN = dataclasses.replace(run_in_kvm(live=False), live=True)


@pytest.mark.requires("chromium")
def test_a_picture_is_made_smaller_where_the_page_is_narrow(browser):
    value = _page(RUN.details).value
    page = browser.new_page(viewport={"width": 500, "height": 700})
    page.set_content(value)
    box = page.locator("svg").bounding_box()
    wide = page.evaluate("document.documentElement.clientWidth")
    assert box["x"] + box["width"] <= wide < RUN.details.width
    assert box["height"] / box["width"] == pytest.approx(RUN.details.height / RUN.details.width, rel=0.01)
    page.close()
