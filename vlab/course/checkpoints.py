"""`checkpoint` and `reveal`: what a section of a lesson begins from, and cells that a lecturer brings one by one."""

from typing import Any

from vlab.course import sections, slicing
from vlab.language import VlabError, _

_MADE = "_vlab_made"  # in the notebook's names, so that it goes when they go


def checkpoint(name: str) -> None:
    """Make what the section of this name, such as "07-held", needs from the sections before it.

    After those sections it does nothing. In a fresh notebook, or where they were left out or changed, it runs the
    statements of the lesson that bind or change what the section uses, shows nothing of them, and says what it made.

    Raises:
        VlabError: if there is no such section, no notebook around, or one of the cells fails.
    """
    lesson = sections.lesson(sections.split(name)[0], sections.here())
    section = lesson.section(name)
    if section is None:
        known = ", ".join(one.id for one in lesson.sections)
        what = _("There is no section {name!r}.").format(name=name)
        raise VlabError(what, mend=_("There are: {known}.").format(known=known))
    shell = _shell()
    if shell is None:
        raise VlabError(_("A checkpoint works in a notebook."))
    wanted = slicing.needs(cell["source"] for cell in section.code) | {"vlab"}  # "vlab": the language is set
    before = lesson.cells[: lesson.cells.index(section.cells[0])]
    code = [cell for cell in before if cell["cell_type"] == "code"]
    written = [(cell, one) for cell in code for one in slicing.statements(cell["source"])]
    chosen = [written[at] for at in slicing.makers([one for _cell, one in written], wanted)]
    if _stands(shell, name, wanted, [one for _cell, one in chosen]):
        return
    for cell, one in chosen:
        _run(shell, one, f"{lesson.path.name}, cell {cell['id']}")
    made = shell.user_ns.setdefault(_MADE, {})
    made.setdefault(_length(shell), []).extend(one for _cell, one in chosen)
    named = sorted(name for name in wanted - {"vlab"} if name in shell.user_ns)
    print(_("Made for this section: {names}.").format(names=", ".join(named)))


def _stands(shell: Any, name: str, wanted: set[str], makers: list[str]) -> bool:
    """Whether what is wanted is as the lesson's own statements make it.

    Where a front end keeps no history of its cells, as nbval does, it is enough that the names are there. Then even
    the cell that calls the checkpoint is not in it.
    """
    done = _history(shell)
    if name not in shell.history_manager.input_hist_raw[-1]:
        bound = set[str]().union(*(found.binds for one in makers if (found := slicing.names(one))))
        return wanted & bound <= set(shell.user_ns)
    return [done[at] for at in slicing.makers(done, wanted)] == makers


def _history(shell: Any) -> list[str]:
    """All statements that ran in this kernel, in order, those among them that checkpoints ran."""
    made: dict[int, list[str]] = shell.user_ns.get(_MADE, {})
    found: list[str] = []
    for at, source in enumerate(shell.history_manager.input_hist_raw):
        found += [*made.get(at, []), *slicing.statements(source)]
    return found + made.get(_length(shell), [])


def _length(shell: Any) -> int:
    return len(shell.history_manager.input_hist_raw)


def _run(shell: Any, statement: str, where: str) -> None:
    from IPython.utils.capture import capture_output

    shell.showtraceback = lambda *_args, **_words: None  # what is wrong is said once, below
    try:
        with capture_output():
            result = shell.run_cell(statement, store_history=False)
    finally:
        del shell.showtraceback
    wrong = result.error_before_exec or result.error_in_exec
    if wrong is not None:
        raise VlabError(f"{type(wrong).__name__}: {wrong}", where=where)


def reveal(name: str) -> None:
    """Put the lesson's cell of this name, such as "07-emulate-skip", in place of the cell that asks for it.

    It does not run: to run it is the next step. Outside of a notebook it is printed.

    Raises:
        VlabError: if the lesson has no such code cell.
    """
    lesson = sections.lesson(sections.split(name)[0], sections.here())
    cell = lesson.cell(name)
    if cell is None or cell["cell_type"] != "code":
        what = _("There is no code cell {name!r} in the lesson.").format(name=name)
        raise VlabError(what, mend=_("Make the lecturer's notebook again: `vlab live`."))
    shell = _shell()
    if shell is None:
        print(cell["source"])
    else:
        shell.set_next_input(cell["source"], replace=True)


def _shell() -> Any:
    """The notebook's IPython, or None."""
    import sys

    return sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
