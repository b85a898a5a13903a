"""Plain values: what a reply is made of. They are compared, shown, and carried as text from a kernel to the checker.

A value keeps its kind on the way, so that what is shown is what the reader returned. Of two that are compared, one
may have a list where the other has a tuple or a set, and 1 where the other has True; but 1 is not "1", nor 1.0.
"""

from typing import Any

from vlab.language import _

_MOST = 50_000  # numbers and texts in one value
_LONGEST = 20_000  # characters of a text in it
_LARGEST = 1 << 256
_DEEPEST = 100


class Strange(Exception):
    """A value that is not plain."""


def plain(value: Any) -> Any:
    """A value of None, truths, numbers, texts, lists, tuples, sets and dictionaries alone, and nothing derived.

    Raises:
        Strange: if it has anything else in it, or too much.
    """
    left = _MOST

    def convert(item: Any, depth: int = 0) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise Strange(_("more than {most} values").format(most=_MOST))
        if depth > _DEEPEST:
            raise Strange(_("values nested too deep"))
        if item is None or isinstance(item, bool):
            return item
        if isinstance(item, str):
            return str.__str__(item)[:_LONGEST]
        if isinstance(item, int):
            return _number(int.__int__(item))
        if isinstance(item, float):
            return float.__float__(item)
        if isinstance(item, dict):
            pairs = [(convert(k, depth + 1), convert(v, depth + 1)) for k, v in dict.items(item)]
            return _hashed(dict, pairs)
        if isinstance(item, list | tuple | set | frozenset):
            parts = [convert(part, depth + 1) for part in item]
            if isinstance(item, list):
                return parts
            return tuple(parts) if isinstance(item, tuple) else _hashed(frozenset, parts)
        if hasattr(type(item), "__index__"):
            return _number(int(item.__index__()))
        raise Strange(type(item).__name__)

    return convert(value)


def _number(number: int) -> int:
    if abs(number) >= _LARGEST:
        raise Strange(_("a number of more than 256 bits"))
    return number


def _hashed(kind: Any, parts: list[Any]) -> Any:
    try:
        return kind(parts)
    except TypeError:  # a list of the reader's own kind, which has a hash
        raise Strange("list") from None


def same(right: Any, given: Any) -> bool:
    """Whether two plain values are the same, but for what need not be told apart."""
    return bool(listed(right) == listed(given) and written(right) == written(given))


def listed(value: Any) -> Any:
    """A plain value with a list in place of every tuple and set."""
    match value:
        case dict():
            return {key: listed(part) for key, part in value.items()}
        case list() | tuple():
            return [listed(part) for part in value]
        case frozenset():
            return sorted(map(listed, value), key=repr)
    return value


def written(value: Any) -> Any:
    """A plain value as what JSON has: so kinds that need not be told apart become one."""
    match value:
        case bool():
            return int(value)
        case float():
            return repr(value)
        case dict():
            return {str(written(key)): written(part) for key, part in value.items()}
        case list() | tuple():
            return [written(part) for part in value]
        case frozenset():
            return sorted(map(written, value), key=repr)
    return value


def packed(value: Any) -> Any:
    """A plain value as what JSON has, with every kind named that JSON has not."""
    match value:
        case dict():
            return {"d": [[packed(key), packed(part)] for key, part in value.items()]}
        case tuple():
            return {"t": [packed(part) for part in value]}
        case frozenset():
            return {"s": [packed(part) for part in sorted(value, key=repr)]}
        case list():
            return [packed(part) for part in value]
    return value


def unpacked(data: Any) -> Any:
    """The plain value that was packed so. It is not to be trusted: Strange if it is none."""
    try:
        return plain(_unpacked(data))
    except (TypeError, RecursionError):  # TypeError: what can't be a key
        raise Strange("list") from None


def _unpacked(data: Any) -> Any:
    match data:
        case list():
            return [_unpacked(part) for part in data]
        case {"t": list(parts)}:
            return tuple(_unpacked(part) for part in parts)
        case {"s": list(parts)}:
            return frozenset(_unpacked(part) for part in parts)
        case {"d": list(rows)} if all(isinstance(row, list) and len(row) == 2 for row in rows):
            return {_unpacked(key): _unpacked(part) for key, part in rows}
        case dict():
            raise Strange("dict")
    return data
