"""NumPy with BLAS and LAPACK of Debian's alternatives, behind a packet filter."""

import http.client

import pytest

from notos.vm.plugin import MachineFactory

_PROGRAM = """
import numpy

a = numpy.array([[2.0, 1.0], [1.0, 3.0]])
print((a @ a).tolist(), numpy.allclose(numpy.linalg.inv(a) @ a, numpy.eye(2)))
"""


def _status(port: int, seconds: float) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    connection.request("GET", "/")
    return connection.getresponse().status


def test_a_product_and_a_filter(machine_factory: MachineFactory) -> None:
    machine = machine_factory("examples/machines/numpy.yaml")
    out = machine.run("python3 -", input=_PROGRAM.encode())
    assert out.out == b"[[5.0, 5.0], [5.0, 10.0]] True\n", out.err
    # The filter passes only ssh, until a rule is added.
    machine.succeed("touch /tmp/index.html", "busybox httpd -p 8080 -h /tmp")
    assert machine.succeed("wget -q -O - http://127.0.0.1:8080/") == ""
    with pytest.raises(OSError, match="timed out"):
        _status(machine.forward(8080), 3)
    machine.succeed("iptables -I INPUT -p tcp --dport 8080 -j ACCEPT")
    assert _status(machine.forward(8080), 30) == 200
