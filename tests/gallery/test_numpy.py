"""NumPy with BLAS and LAPACK of Debian's alternatives, behind a packet filter."""

import urllib.request

import pytest

from tests.gallery.machines import Gallery
from tests.gallery.outside import page

_PROGRAM = """
import numpy

a = numpy.array([[2.0, 1.0], [1.0, 3.0]])
print((a @ a).tolist(), numpy.allclose(numpy.linalg.inv(a) @ a, numpy.eye(2)))
"""


def test_a_product_and_a_filter(gallery: Gallery) -> None:
    machine = gallery("numpy")
    out = machine.run("python3 -", input=_PROGRAM.encode())
    assert out.out == b"[[5.0, 5.0], [5.0, 10.0]] True\n", out.err
    gallery.works(machine)
    # The filter passes only ssh, until a rule is added.
    machine.succeed("echo hello >/tmp/index.html", "busybox httpd -p 8080 -h /tmp")
    assert machine.succeed("wget -q -O - http://127.0.0.1:8080/") == "hello\n"
    with pytest.raises(OSError, match="timed out"):
        urllib.request.urlopen(f"http://127.0.0.1:{machine.forward(8080)}/", timeout=3)
    machine.succeed("iptables -I INPUT -p tcp --dport 8080 -j ACCEPT")
    assert page(machine, 8080) == "hello\n"
