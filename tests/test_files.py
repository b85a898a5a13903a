"""The project's folders are found beside the package in a checkout, and inside it in an installed wheel."""

from vlab import files


def test_a_checkout_has_its_folders_beside_the_package(repository):
    assert not files.installed()
    assert files.checkout() == repository
    assert files.folder("notebooks") == repository / "notebooks"


def test_a_wheel_has_its_folders_inside_the_package(tmp_path, monkeypatch):
    (tmp_path / "_notebooks").mkdir()
    monkeypatch.setattr(files, "_PACKAGE", tmp_path)
    assert files.installed()
    assert files.folder("data") == tmp_path / "_data"
