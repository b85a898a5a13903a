"""The names that `vlab` offers."""

from pathlib import Path

import pytest

import vlab


def test_every_public_name_is_there():
    for name in vlab.__all__:
        assert getattr(vlab, name).__name__ == name
        assert name in dir(vlab)


def test_no_name_hides_a_floor():
    floors = {path.stem for path in Path(vlab.__file__).parent.iterdir()}
    assert floors & set(vlab.__all__) == set()


def test_a_star_import_brings_them_all():
    names: dict[str, object] = {}
    exec("from vlab import *", names)
    assert names.keys() >= set(vlab.__all__)


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'vlab' has no attribute 'Machin'"):
        _ = vlab.Machin
