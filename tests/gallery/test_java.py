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
    assert machine.succeed("java /opt/hello/Hello.java", seconds=180) == "hello\n"
    # jar and javac are alternatives.
    machine.succeed(
        "cd /tmp && javac -d . /opt/hello/Hello.java && jar cfe hello.jar Hello Hello.class", seconds=240
    )
    assert machine.succeed("java -jar /tmp/hello.jar", seconds=120) == "hello\n"
    machine.succeed(f"cat >/tmp/Certificates.java <<'END'\n{CERTIFICATES}END\n")
    assert int(machine.succeed("java /tmp/Certificates.java", seconds=240)) > 100
    listed = machine.succeed("keytool -list -cacerts -storepass changeit", seconds=120)
    assert listed.count("trustedCertEntry") > 100
