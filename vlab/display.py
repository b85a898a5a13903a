"""The hook by which an object draws itself: the pictures live in `vlab.views`, imported when first asked."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

Bundle = tuple[dict[str, Any], dict[str, Any]]
Renderer = Callable[[Any], Bundle]
_renderers: dict[type, Renderer] = {}
_sentences: dict[type, Callable[[Any], str]] = {}


def renders(kind: type) -> Callable[[Renderer], Renderer]:
    """Register the decorated function as the one that draws objects of `kind` (and its subclasses).

    It takes the object and returns a MIME bundle, for example `{"text/html": ...}`, and its metadata.
    """

    def register(renderer: Renderer) -> Renderer:
        _renderers[kind] = renderer
        return renderer

    return register


def says(kind: type) -> Callable[[Callable[[Any], str]], Callable[[Any], str]]:
    """Register the decorated function as the one that says in a sentence what an object of `kind` is."""

    def register(teller: Callable[[Any], str]) -> Callable[[Any], str]:
        _sentences[kind] = teller
        return teller

    return register


def sentence(thing: object) -> str:
    """The sentence of an object whose floor lies under its words: the one registered for its kind."""
    import_module("vlab.views")
    kind = next(kind for kind in type(thing).__mro__ if kind in _sentences)
    return one_line(_sentences[kind](thing))


def view(name: str) -> Any:
    """A view by its name in `vlab.views`, which lies above whoever asks for it."""
    return getattr(import_module("vlab.views"), name)


def one_line(words: str) -> str:
    """The text with stand-ins for line ends and control characters: a guest may have written parts of it."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in words)


def bundle(thing: object) -> Bundle:
    """An object's MIME bundle (its sentence, and its picture where one is registered) and the metadata."""
    import_module("vlab.views")
    sentence = {"text/plain": repr(thing)}
    for kind in type(thing).__mro__:
        if kind in _renderers:
            shown, metadata = _renderers[kind](thing)
            return shown | sentence, metadata
    return sentence, {}


class Drawn:
    """Mixin: the object prints one sentence in a terminal and draws itself in a notebook."""

    __slots__ = ()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Bundle:
        return bundle(self)
