"""Messages in the reader's language: all of them translated, none stale, and held to the glossary."""

import shutil
from pathlib import Path

import polib
import pytest

import vlab
from vlab import files, language
from vlab.cli import main
from vlab.course import messages, notebooks
from vlab.course.glossary import glossary, unusual
from vlab.language import VlabError, _, grouped, named, unknown

ROOT = files.checkout()


@pytest.fixture
def in_spanish():
    vlab.set_language("es")
    yield
    vlab.set_language("en")


@pytest.fixture
def small(tmp_path):
    """A package of two messages, translated."""
    (tmp_path / "vlab").mkdir()
    (tmp_path / "vlab" / "a.py").write_text('x = 1\n_("{n} guests").format(n=x)\n_("nothing")\n')
    messages.update(tmp_path)
    translate(tmp_path, {"{n} guests": "{n} invitados", "nothing": "nada"})
    return tmp_path


def translate(root, texts):
    catalogue = polib.pofile(str(root / messages.CATALOGUE))
    for entry in catalogue:
        entry.msgstr = texts.get(entry.msgid, entry.msgstr)
    catalogue.save(str(root / messages.CATALOGUE))


def test_every_message_is_translated():
    assert list(messages.complaints(ROOT)) == []


def test_a_message_in_spanish(in_spanish):
    assert _("the machine") == "la máquina"
    with pytest.raises(VlabError, match="No existe el idioma 'xx'"):
        vlab.set_language("xx")
    assert _("A text that nobody translated.") == "A text that nobody translated."


def test_english_needs_no_catalogue(monkeypatch):
    monkeypatch.setattr(language, "_catalogue", None)
    assert _("the machine") == "the machine"


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({"VLAB_LANG": "es", "LANG": "en_US"}, "es"),
        ({"LANG": "es_CL.UTF-8"}, "es"),
        ({"LC_ALL": "de_DE", "LANG": "es"}, "en"),
        ({}, "en"),
    ],
)
def test_the_language_of_the_environment(environment, code):
    assert language.preferred_language(environment) == code


# --- The catalogue


def test_a_finished_catalogue_has_no_complaint(small):
    assert list(messages.complaints(small)) == []


def test_a_new_message_is_named_with_its_place(small):
    (small / "vlab" / "b.py").write_text('\n\n_("new")\n')
    assert list(messages.complaints(small)) == ["vlab/b.py:3: not translated: 'new'"]


def test_a_message_that_is_gone_is_named(small):
    (small / "vlab" / "a.py").write_text('_("nothing")')
    assert list(messages.complaints(small)) == [
        "vlab/locale/es/vlab.po: nothing says this any more: '{n} guests'"
    ]


@pytest.mark.parametrize("text", ["invitados", "{m} invitados", "{n:#x} invitados"])
def test_a_lost_placeholder_is_named(small, text):
    translate(small, {"{n} guests": text})
    assert "vlab/a.py:2: its translation should have {n}" in next(messages.complaints(small))


def test_a_term_that_is_not_the_glossarys_is_named(small):
    translate(small, {"{n} guests": "{n} huéspedes"})
    assert "vlab/a.py:2: says 'huésped'" in next(messages.complaints(small))


def test_a_changed_message_keeps_its_translation_as_stale(small):
    (small / "vlab" / "a.py").write_text('_("{n} guests.")\n_("nothing")\n')
    messages.update(small)
    assert [found[:28] for found in messages.complaints(small)] == ["vlab/a.py:1: changed since i"]
    entry = polib.pofile(str(small / messages.CATALOGUE))[0]
    assert (entry.msgstr, entry.previous_msgid) == ("{n} invitados", "{n} guests")


def test_updating_what_is_in_step_changes_nothing(tmp_path):
    (tmp_path / "data").mkdir()
    for name in ("vlab", "data/quizzes"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    messages.update(tmp_path)
    first = (tmp_path / messages.CATALOGUE).read_bytes()
    messages.update(tmp_path)
    assert (tmp_path / messages.CATALOGUE).read_bytes() == first
    assert list(messages.complaints(tmp_path)) == list(messages.complaints(ROOT))


def test_quizzes_are_messages_too():
    places = [place for found in messages.messages(ROOT).values() for place in found]
    assert "data/quizzes/07.json:07-q1" in places


def test_authors_commands_keep_the_catalogue_and_check_it(monkeypatch, capsys):
    updated: list[Path] = []
    monkeypatch.setattr(notebooks, "authored", lambda names: [])
    monkeypatch.setattr(messages, "update", updated.append)
    monkeypatch.setattr(messages, "complaints", lambda root: ["a.py:1: not translated"])
    assert main(["notebooks", "build"]) == 1
    assert updated == [ROOT]
    assert capsys.readouterr().out == "a.py:1: not translated\n"
    assert main(["notebooks", "check", "07"]) == 0  # of named lessons only


# --- The glossary


def test_numbers_are_grouped_and_small_ones_have_their_places():
    assert [grouped(number) for number in (0, 15.8, 6.02, 999.96, 1234.5, 21550633)] == (
        ["0", "15.8", "6.02", "1000", "1 234", "21 550 633"]
    )


@pytest.mark.parametrize(
    ("name", "known", "mend"),
    [
        ("nativ", ("native", "interpreter"), "Did you mean 'native'?"),
        ("sie", ("SIE", "MIE"), "Did you mean 'SIE'?"),
        ("zz", ("SIE", "MIE"), "There are: SIE, MIE."),
        (3, (), "There are: none."),
    ],
)
def test_an_unknown_name_is_told_the_nearest_one_or_all(name, known, mend):
    assert unknown("What?", name, iter(known)).mend == mend


def test_a_choice_by_name_or_the_error():
    assert named("a", {"a": 1}, "no {word}") == 1
    with pytest.raises(VlabError, match=r"no {b}\nThere are: a\."):
        named("{b}", {"a": 1}, "no {word}")


def test_the_glossary_has_the_terms_of_the_slides():
    terms = {term["es"] for term in glossary()}
    assert {
        "hipervisor",
        "anfitrión",
        "invitado",
        "espacio de direcciones",
        "instrucción privilegiada",
    } <= terms
    assert {"gatillar", "capturar", "caerse", "modo sistema"} <= terms
    assert len({term["en"] for term in glossary()}) == len(glossary())


@pytest.mark.parametrize(
    ("english", "spanish", "wrong"),
    [
        ("a guest", "un huésped", 2),
        ("a guest", "un *guest*, o invitado", 0),
        ("a guest", "un guest, o invitado", 1),
        ("`guest`", "`guest`", 0),
        ("two page tables", "dos tablas de páginas", 0),
        ("two page tables", "dos tablas", 1),
        ("it traps", "dispara una interrupción", 1),
        ("to trap", "disparar", 1),
        ("**the** hypervisor", "**el** hypervisor, el hipervisor", 1),
        ("see hypervisor.adoc", "véase hypervisor.adoc", 0),
    ],
)
def test_what_leaves_the_glossary_is_seen(english, spanish, wrong):
    assert len(list(unusual(english, spanish))) == wrong
