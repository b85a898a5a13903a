"""The page's side of the explorer, in a real browser."""

import pytest

from tests.hypervisor.towers import tower
from tests.views.pages import opened
from vlab import guests
from vlab.paging import PageTable
from vlab.riscv import Mode
from vlab.views import Explorer

pytestmark = pytest.mark.requires("chromium")


@pytest.fixture
def explorer():
    table = PageTable()
    table.map(0x4000_0000, 0x8000_0000, "RXU")
    table.map(0x4000_1000, 0x8000_5000, "RWU", 0x3000)
    return Explorer(table, 0x4000_1000)


@pytest.fixture
def page(browser, explorer):
    with opened(browser, explorer.widget, high=800) as page:
        yield page


def says(page, sentence):
    """Wait until the page says this."""
    page.wait_for_function(
        "says => document.querySelector('[role=status]').textContent === says", arg=sentence
    )


def test_a_typed_address_is_followed_by_every_picture(page, explorer):
    field = page.get_by_label("Address")
    field.fill("0x40002008")
    field.press("Enter")
    page.wait_for_function("document.querySelector('[role=status]').textContent.includes('0x80006008')")
    assert explorer.address == 0x4000_2008
    says(page, explorer.sentence)
    pictures = page.locator(".vlab-picture")
    assert [one.get_attribute("aria-label") for one in pictures.all()] == [
        pane.sentence for pane in explorer.panes
    ]
    assert "0x80006008" in pictures.first.inner_text()
    field.fill("1073741824")
    page.get_by_role("button", name="Go there").click()
    page.wait_for_function("document.querySelector('[role=status]').textContent.includes('0x80000000')")
    assert field.input_value() == "0x40000000"


def test_a_bad_address_is_said_and_nothing_is_lost(page, explorer):
    before, field = page.locator(".vlab-picture").first.inner_html(), page.get_by_label("Address")
    field.fill("nowhere")
    field.press("Enter")
    page.get_by_role("alert").get_by_text("'nowhere' is no address.").wait_for()
    assert field.get_attribute("aria-invalid") == "true"
    assert field.input_value() == "nowhere"
    assert page.locator(".vlab-picture").first.inner_html() == before
    field.fill("0x40000000")
    field.press("Enter")
    page.wait_for_function("document.querySelector('[role=status]').textContent.includes('0x80000000')")
    assert field.get_attribute("aria-invalid") == "false"
    assert page.locator("[role=alert]").text_content() == ""


def test_the_slider_is_dragged_over_the_places_by_mouse_and_by_key(page, explorer):
    slider = page.get_by_role("slider", name="Places worth a look")
    slider.focus()
    page.keyboard.press("Home")
    page.wait_for_function("document.querySelector('[role=status]').textContent.includes('of 0x40000000')")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('[role=status]').textContent.includes('of 0x40003000')")
    assert slider.get_attribute("aria-valuetext") == "0x40003000"
    box = slider.bounding_box()
    page.mouse.move(box["x"] + 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] / 2, steps=15)
    page.mouse.up()
    page.wait_for_function("document.querySelector('[role=status]').textContent.includes('of 0x40004000')")
    assert explorer.address == 0x4000_4000


def test_the_buttons_go_from_place_to_place(page, explorer):
    page.get_by_role("button", name="Next place").click()
    page.wait_for_function("document.querySelector('[role=status]').textContent.includes('of 0x40003000')")
    page.get_by_role("button", name="Place before").click()
    page.get_by_role("button", name="Place before").click()
    page.wait_for_function("document.querySelector('[role=status]').textContent.includes('of 0x40000000')")


def test_access_mode_and_settings_are_chosen(page, explorer):
    sum_, mxr = (page.get_by_role("checkbox", name=name) for name in ("SUM", "MXR"))
    assert (sum_.is_disabled(), mxr.is_disabled()) == (True, False)
    page.get_by_role("combobox", name="Access").select_option("store")
    page.wait_for_function("document.querySelector('[role=status]').textContent.includes('store')")
    assert mxr.is_disabled()
    page.get_by_role("combobox", name="Mode").select_option("S")
    page.wait_for_function("document.querySelector('[role=status]').textContent.includes('fault')")
    sum_.check()
    page.wait_for_function("document.querySelector('[role=status]').textContent.includes('0x80005000')")
    assert (str(explorer.access), explorer.mode, explorer.sum) == ("store", Mode.S, True)


def test_every_control_is_reached_by_tab_in_order(page):
    reached = []
    for _tab in range(10):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "(one => one.labels?.[0]?.textContent.slice(0, 7) || one.ariaLabel || one.textContent)"
                "(document.activeElement)"
            )
        )
    assert reached[:5] == ["Address", "Go there", "Place before", "Places worth a look", "Next place"]
    assert [name[:4] for name in reached[5:9]] == ["Acce", "Mode", "MXR", "Lect"]


def test_no_text_of_a_vms_pictures_is_cut_and_the_page_does_not_scroll_sideways(browser):
    built = tower(guests.load("kernel", TICK=300, LETTERS=2, PRIMES=100), 1)
    built.machine.run(until=lambda: built.guest.mode == Mode.U and built.vms[0].exits["timer"] > 2)
    with opened(browser, Explorer(built.vms[0]).widget, wide=700) as page:
        cut = """() => [...document.querySelectorAll('svg text')].filter((text) => {
            const [inner, outer] = [text, text.ownerSVGElement].map((part) => part.getBoundingClientRect());
            return inner.left < outer.left || inner.right > outer.right || inner.bottom > outer.bottom;
        }).map((text) => text.textContent)"""
        for _size in ("normal", "lecture"):
            assert page.evaluate(cut) == []
            assert page.locator("svg text").count() > 60
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            small = page.evaluate("document.querySelector('svg text').getBoundingClientRect().height")
            page.get_by_role("button", name="Lecture size").click()
        assert page.evaluate("document.querySelector('svg text').getBoundingClientRect().height") < small


def test_without_a_kernel_the_reader_is_told(page):
    page.evaluate("model.send = () => {}")
    page.get_by_role("button", name="Next place").click()
    page.get_by_role("alert").get_by_text("No kernel answers").wait_for()


def test_the_explorer_leaves_nothing_behind(page):
    assert page.evaluate("(window.leave(), window.model.listening())") == 0
