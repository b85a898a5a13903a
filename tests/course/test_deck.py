"""Slides: whole in themselves, and shown by a real browser that has no network."""

import re

import pytest

from vlab import cli
from vlab.course import sections
from vlab.course.deck import columns, deck


def test_each_section_is_a_column():
    lesson = sections.lesson("07")
    first = [part[0][0]["id"] for part in columns(lesson)]
    assert [section.cells[0]["id"] for section in lesson.sections] == [
        name for name in first if lesson.section(f"07-{name}")
    ]
    shown = [cell["id"] for part in columns(lesson) for cells in part for cell in cells]
    left_out = {cell["id"] for cell in lesson.cells} - set(shown)
    assert left_out == {"language"} | {name for name in left_out if name.endswith("-checkpoint")}


@pytest.mark.parametrize("language", ["en", "es"])
def test_a_deck_needs_nothing_from_elsewhere(language):
    page = deck(sections.lesson("07", language))
    assert re.findall(r'(?:src|href)="(?!data:|https://doi)[^"]*"|@import|url\(', page) == []
    assert all(re.search(r'alt="[^"]+"', picture) for picture in re.findall(r"<img\b[^>]*>", page))
    assert f'<html lang="{language}">' in page
    assert "{{" not in page.partition("<main>")[0]


def test_the_command_leaves_other_files_alone(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["slides", "07"]) == 0
    assert cli.main(["slides", "07"]) == 0, "its own it makes again"
    assert "07_trap_and_emulate.en.html" in capsys.readouterr().out
    (tmp_path / "mine.html").write_text("work")
    assert cli.main(["slides", "07", "--output", "mine.html"]) == cli.MISTAKE
    assert (tmp_path / "mine.html").read_text() == "work"
    assert cli.main(["slides", "99"]) == cli.MISTAKE


WRONG: list[str] = []


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    """The deck of lesson 07 in a browser whose network is cut, at the size of a projector."""
    file = tmp_path_factory.mktemp("slides") / "deck.html"
    file.write_text(deck(sections.lesson("07")), "utf-8")
    page = browser.new_context(offline=True, viewport={"width": 1280, "height": 760}).new_page()
    page.on("pageerror", lambda error: WRONG.append(str(error)))
    page.on("requestfailed", lambda request: WRONG.append(request.url))
    page.goto(file.as_uri())
    return page


needs_browser = pytest.mark.requires("chromium")


def at(page):
    number, _slash, count = page.locator("#place").inner_text().partition(" / ")
    assert page.locator(".slide.current").count() == 1
    assert page.locator(".slide").nth(int(number) - 1).is_visible()
    return int(number), int(count)


@needs_browser
def test_keys_and_buttons_move(page):
    keys = page.keyboard.press
    keys("Home")
    _one, count = at(page)
    places = []
    for key in ("Space", "PageDown", "PageUp", "Shift+Space", "PageUp", "End", "Space"):
        keys(key)
        places.append(at(page)[0])
    assert places == [2, 3, 2, 1, 1, count, count]
    keys("Home")
    page.get_by_role("button", name="Next slide").click()
    assert at(page)[0] == 2
    page.get_by_role("button", name="Slide before").click()
    assert at(page)[0] == 1
    assert WRONG == []


@needs_browser
def test_arrows_go_by_sections_and_within(page):
    page.keyboard.press("Home")
    title = page.locator("#title")
    while "1. A kernel" not in title.inner_text():
        page.keyboard.press("ArrowRight")
    here = at(page)[0]
    page.keyboard.press("ArrowDown")
    assert at(page)[0] == here + 1
    page.keyboard.press("ArrowRight")
    assert "2. The hypervisor" in title.inner_text()
    page.keyboard.press("ArrowUp")
    assert "2. The hypervisor" in title.inner_text()
    page.keyboard.press("ArrowLeft")
    assert at(page)[0] == here


@needs_browser
def test_every_slide_fits_or_scrolls_and_pictures_have_sentences(page):
    page.keyboard.press("Home")
    for _slide in range(at(page)[1]):
        slide = page.locator(".slide.current")
        zoom = float(slide.locator("> div").evaluate("node => node.style.zoom"))
        cut = slide.evaluate("node => node.scrollHeight > node.clientHeight + 1")
        assert zoom > 0.49
        assert not cut or slide.get_attribute("tabindex") == "0", slide.inner_text()[:80]
        for picture in slide.locator("img").all():
            assert picture.get_attribute("alt")
            assert picture.evaluate("node => node.complete && node.naturalWidth > 0")
        page.keyboard.press("Space")


@needs_browser
def test_a_reload_stays(page):
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    page.reload()
    assert at(page)[0] == 2
