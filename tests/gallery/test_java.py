"""A server in Java, and a JDK whose programs trust Debian's certificates."""

from tests.gallery.machines import Gallery
from tests.gallery.outside import page

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


def test_a_page_and_programs(gallery: Gallery) -> None:
    machine = gallery("java")
    machine.wait_for_port(8080, seconds=120)
    assert page(machine, 8080, "/x") == "hello from java: /x\n"
    gallery.works(machine)
    assert "www-data" in machine.succeed("ps -o user,args | grep '[S]erver.java'")
    machine.succeed("sv stop app")
    machine.succeed(f"cat >/tmp/Certificates.java <<'END'\n{CERTIFICATES}END\n")
    # javac and jar are alternatives.
    made = "cd /tmp && javac Certificates.java && jar cfe made.jar Certificates Certificates.class"
    machine.succeed(made, seconds=240)
    assert int(machine.succeed("java -jar /tmp/made.jar", seconds=120)) > 100
