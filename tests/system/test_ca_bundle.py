"""The bundle of certificates; the real one is looked at in test_image.py."""

from notos.formats.tree import Tree
from notos.system.ca_bundle import bundle


def test_all_certificates_sorted_each_with_its_end_of_line() -> None:
    tree = Tree()
    tree.text("share/ca-certificates/mozilla/B.crt", "bbb")
    tree.text("share/ca-certificates/mozilla/A.crt", "aaa\n")
    tree.text("share/ca-certificates/README", "no")
    assert bundle(tree) == "aaa\nbbb\n"
    assert bundle(Tree()) == ""
