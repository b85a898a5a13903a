"""Every stable word that a reader is shown has words in the reader's language."""

import ast

import pytest

from tests.house import VLAB
from vlab import set_language
from vlab.events import Event, Exit, kind_title
from vlab.hypervisor.hypervisor import TURN_OVER
from vlab.language import _catalogue
from vlab.machine import Stop
from vlab.machine.structure import state_title
from vlab.riscv import Access, Cause, Interrupt
from vlab.riscv.privilege import INTERRUPT_BIT, access_title, cause_key, cause_title
from vlab.views.terms import kinds, reasons, term

# Names of the architecture, which no language changes.
_NAMES = {"sfence.vma", "satp", "mstatus"}
_CAUSES = {cause.key for kind in (Cause, Interrupt) for cause in kind}
_SAY_WHY = {"_tell", "flush", "drop_all", "drop_frame", "drop_page", "protect", "translations_changed"}


@pytest.fixture
def in_spanish():
    set_language("es")
    yield
    set_language("en")


def said_in_the_sources():
    """The reasons that the model's sources give: what methods that name one return, and why something is dropped."""
    found: dict[str, str] = {}
    paths = sorted([*(VLAB / "hypervisor").rglob("*.py"), *(VLAB / "machine").rglob("*.py")])
    trees = {path.name: ast.parse(path.read_text("utf-8")) for path in paths}
    named = {name: text for tree in trees.values() for name, text in _constants_of(tree)}
    for file, tree in trees.items():
        for node in ast.walk(tree):
            for word in _reasons_of(node, named):
                found.setdefault(word, file)
    return found


def _constants_of(tree):
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            yield from (
                (target.id, node.value.value) for target in node.targets if isinstance(target, ast.Name)
            )


def _reasons_of(node, named):
    if isinstance(node, ast.FunctionDef) and node.name in ("reason", "_kind", "_missing", "_unmapped"):
        for inner in ast.walk(node):
            if isinstance(inner, ast.Return) and inner.value is not None:
                yield from _texts(inner.value, named)
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _SAY_WHY
        and node.args
    ):
        yield from _texts(node.args[0], named)


def _texts(node, named):
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.Name) and isinstance(named.get(node.id), str):
        yield named[node.id]
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body, named)
        yield from _texts(node.orelse, named)


def test_every_reason_in_the_sources_has_words():
    found = said_in_the_sources()
    assert {"privileged instruction", "shadow fill", "no frame left", "power", "timer"} <= set(found)
    without = {word: file for word, file in found.items() if word not in {*reasons(), *_CAUSES, *_NAMES}}
    assert without == {}


def test_none_of_the_words_is_left_over():
    assert set(reasons()) - set(said_in_the_sources()) == {TURN_OVER}


def every_kind(kind=Event):
    return [one for sub in kind.__subclasses__() for one in (sub, *every_kind(sub))]


def test_every_word_is_translated(in_spanish):
    catalogue = _catalogue("es")
    translated = lambda word: word in catalogue.values()  # noqa: E731
    assert all(map(translated, {**reasons(), **kinds()}.values()))
    assert all(translated(kind_title(kind.__name__)) for kind in every_kind())
    assert all(translated(cause.title) for kind in (Cause, Interrupt) for cause in kind)
    assert all(translated(access.title) for access in Access)
    assert all(translated(stop.title) for stop in Stop)
    assert all(
        translated(state_title(s)) for s in ("empty", "on", "off", "running", "exited", "ready", "waiting")
    )


def test_keys_stay_english(in_spanish):
    assert cause_key(Cause.LOAD_PAGE_FAULT) == "load page fault"
    assert cause_key(INTERRUPT_BIT | Interrupt.STI) == "supervisor timer interrupt"
    assert str(Access.FETCH) == "fetch"


def test_what_is_shown_is_in_the_readers_language(in_spanish):
    assert cause_title(Cause.LOAD_PAGE_FAULT) == "fallo de página al leer"
    assert cause_title(77) == "causa 77"
    assert access_title("store") == "escritura"
    assert repr(Stop.LIMIT).startswith("<Stop.LIMIT: ")
    assert "limit of" not in repr(Stop.LIMIT)
    assert term("load page fault") == cause_title(Cause.LOAD_PAGE_FAULT)


def test_a_word_that_is_not_the_models_stays_as_it_is():
    assert term("satp") == "satp"
    assert term("hypercall: return") == "hypercall: return"
    assert kind_title("Lamp") == "Lamp"
    assert cause_key(24) == cause_title(24) == "cause 24"


def test_english_words_are_the_keys():
    assert [cause.title for cause in Cause] == [cause.key for cause in Cause]
    assert [kind_title(kind.__name__) for kind in every_kind()] == [kind.__name__ for kind in every_kind()]


def test_a_sentence_says_its_reason_in_the_readers_language(in_spanish):
    left = Exit((1, 0), 1, None, "shadow fill", Cause.LOAD_PAGE_FAULT, 0, 0x8000_0000, "S")
    assert "llenado de tabla sombra (fallo de página al leer)" in repr(left)
