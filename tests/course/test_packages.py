"""What vlab asks for reads the same from a checkout's pyproject.toml and from an installation's metadata."""

from importlib import metadata

import pytest

from vlab import files
from vlab.course import packages


def names(wanted, extra=""):
    return {package.name: package.least for package in wanted if package.extra == extra}


def test_a_checkouts_requirements():
    wanted = list(packages.wanted())
    assert names(wanted).keys() >= {"jupyterlab", "numpy", "networkx", "matplotlib", "nbval", "tqdm"}
    assert names(wanted, "native").keys() == {"llvmlite"}
    assert all(least != "0" for least in names(wanted).values())


def test_an_installations_requirements(monkeypatch):
    lines = ["numpy>=1.26", "tqdm", "llvmlite>=0.44; extra == 'native'", "ruff>=0.1; extra == 'test'"]
    monkeypatch.setattr(files, "installed", lambda: True)
    monkeypatch.setattr(metadata, "requires", lambda name: lines)
    wanted = list(packages.wanted())
    assert names(wanted) == {"numpy": "1.26", "tqdm": "0"}
    assert names(wanted, "native") == {"llvmlite": "0.44"}
    assert names(wanted, "test") == {}


@pytest.mark.parametrize(
    ("installed", "least", "good"),
    [
        (None, "0", False),
        ("1.26", "1.26", True),
        ("1.26.0", "1.26", True),
        ("1.9", "1.26", False),
        ("2", "1.26", True),
    ],
)
def test_versions_compare_by_their_numbers(installed, least, good):
    assert packages.Package("thing", least, "", installed).good() is good
