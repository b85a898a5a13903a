"""The list of lessons in `notebooks/README.md`, made from what the lessons say of themselves."""

from collections.abc import Iterator
from pathlib import Path

from vlab import files
from vlab.course.sections import Lesson, marks
from vlab.language import _

_BEGIN, _END = "<!-- lessons: made by `vlab notebooks build` -->", "<!-- lessons: end -->"
_PICTURES = "data/lessons"


def table(root: Path) -> str:
    """The rows, one a lesson of the checkout at `root`: what it shows in both languages, minutes, picture."""
    rows = ["| # | English | Español | minutes | it looks like this |", "|---|---|---|---|---|"]
    for path in _lessons(root):
        english, spanish = Lesson(path), root / "notebooks" / "es" / path.name
        minutes = marks(english.cells[0]).get("minutes", "")
        picture = f"![{_sentence(english)}](../{_PICTURES}/{english.number}.png)" if _picture(english) else ""
        other = _entry(Lesson(spanish)) if spanish.exists() else ""
        rows.append(f"| {english.number} | {_entry(english)} | {other} | {minutes} | {picture} |")
    return "\n".join(rows)


def _lessons(root: Path) -> list[Path]:
    return sorted((root / "notebooks" / "en").glob("[0-9][0-9]_*.ipynb"))


def _entry(lesson: Lesson) -> str:
    shows = marks(lesson.cells[0]).get("shows", "")
    return f"[{lesson.title}]({lesson.path.parent.name}/{lesson.path.name})" + (
        f"<br>{shows}" if shows else ""
    )


def _picture(lesson: Lesson) -> tuple[str, str] | None:
    """The stored picture of the cell that the title cell names: its PNG in base 64, and its sentence."""
    cell = lesson.cell(f"{lesson.number}-{marks(lesson.cells[0]).get('picture', '')}")
    for output in (cell or {}).get("outputs", ()):
        data = output.get("data", {})
        if "image/png" in data:
            return "".join(data["image/png"]), "".join(data["text/plain"])
    return None


def _sentence(lesson: Lesson) -> str:
    """The picture's sentence, as one cell of a Markdown table may hold it."""
    found = _picture(lesson)
    return " ".join(found[1].replace("|", " ").replace("[", "(").replace("]", ")").split()) if found else ""


def update(root: Path) -> None:
    """Bring the list and the pictures in step with the lessons."""
    from base64 import b64decode

    readme = root / "notebooks" / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, begin, rest = text.partition(_BEGIN)
    after = rest.partition(_END)[2] if begin else "\n"
    new = f"{before.rstrip()}\n\n{_BEGIN}\n\n{table(root)}\n\n{_END}{after}"
    if new != text:
        files.write_atomically(readme, new.encode())
    for path in _lessons(root):
        lesson = Lesson(path)
        if found := _picture(lesson):
            picture = root / _PICTURES / f"{lesson.number}.png"
            picture.parent.mkdir(parents=True, exist_ok=True)
            files.write_atomically(picture, b64decode(found[0]))


def complaints(root: Path) -> Iterator[str]:
    """In what the list is not what the lessons say, a sentence each."""
    text = (root / "notebooks" / "README.md").read_text(encoding="utf-8")
    missing = [row for row in table(root).splitlines() if row not in text]
    yield from (
        _("notebooks/README.md: is stale; build it again: {row}").format(row=row[:60]) for row in missing
    )
    for path in _lessons(root):
        lesson = Lesson(path)
        said = marks(lesson.cells[0])
        for key in ("minutes", "shows", "picture"):
            if not said.get(key):
                wrong = _("{name}, cell {cell}: does not say {key!r} in its metadata")
                yield wrong.format(name=path.name, cell=lesson.cells[0]["id"], key=key)
        if said.get("picture") and not _picture(lesson):
            wrong = _("{name}: the cell {cell!r}, whose picture stands for the lesson, has none")
            yield wrong.format(name=path.name, cell=said["picture"])
        elif said.get("picture") and not (root / _PICTURES / f"{lesson.number}.png").exists():
            yield _("{name}: its picture for the list of lessons is missing").format(name=path.name)
