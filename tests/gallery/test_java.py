"""A machine with a JDK."""

from notos.vm.plugin import MachineFactory

CERTIFICATES = """
import java.security.KeyStore;
import javax.net.ssl.*;
class Certificates {
    public static void main(String[] args) throws Exception {
        var factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init((KeyStore) null);
        System.out.println(((X509TrustManager) factory.getTrustManagers()[0]).getAcceptedIssuers().length);
    }
}
"""


def test_programs_run_and_https_has_certificates(machine_factory: MachineFactory) -> None:
    machine = machine_factory("examples/machines/java.yaml")
    assert machine.succeed("java /opt/hello/Hello.java", seconds=240) == "hello\n"
    machine.succeed(f"cat >/tmp/Certificates.java <<'END'\n{CERTIFICATES}END\n")
    # javac and jar are alternatives.
    made = "cd /tmp && javac Certificates.java && jar cfe made.jar Certificates Certificates.class"
    machine.succeed(made, seconds=240)
    assert int(machine.succeed("java -jar /tmp/made.jar", seconds=120)) > 100
