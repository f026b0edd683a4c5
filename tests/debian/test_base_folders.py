"""The folders of every machine. tests/machines/test_debian_parts.py compares them with Debian's."""

import io
import tarfile

from notos.debian import base_folders


def test_the_archive_is_that_of_the_table() -> None:
    with tarfile.open(fileobj=io.BytesIO(base_folders.archive())) as tar:
        members = tar.getmembers()
    folders = [f"{each.mode:04o} {each.gid} /{each.name}" for each in members if each.isdir()]
    assert folders == base_folders.table().decode().splitlines()
    assert {each.name: each.linkname for each in members if each.issym()} == base_folders.LINKS


def test_a_folder_comes_after_the_one_above() -> None:
    with tarfile.open(fileobj=io.BytesIO(base_folders.archive())) as tar:
        names = [each.name for each in tar.getmembers()]
    assert all(
        names.index(each.rpartition("/")[0]) < at
        for at, each in enumerate(names)
        if each.startswith("var/lib/")
    )
