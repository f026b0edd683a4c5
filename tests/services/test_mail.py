"""Mail, logs, names and time."""

from typing import ClassVar

from tests.services.daemon import Daemon, Life


def name(server: str, port: int, address: str) -> str:
    ask = f"dig +short +time=2 +tries=1 @127.0.0.1 -p {port} {server}.lab.example"
    return f'[ "$({ask})" = {address} ]'


INBOX = "curl -sSf -k imaps://127.0.0.1/INBOX -u alice:example"


class TestMail(Life):
    DAEMONS: ClassVar[tuple[Daemon, ...]] = (
        Daemon(
            "rsyslog",
            "rm -f /tmp/id; cat /proc/sys/kernel/random/uuid >/tmp/id; logger lab-$(cat /tmp/id); sleep 1; "
            "grep -q lab-$(cat /tmp/id) /var/log/syslog",
            reload=False,
            write="logger kept-message",
            read="grep kept-message /var/log/syslog",
        ),
        Daemon(
            "postfix", "printf 'QUIT\\r\\n' | busybox nc -w 9 127.0.0.1 25 | grep '^220 mail.lab.example'"
        ),
        Daemon(
            "dovecot",
            f"{INBOX} -X 'STATUS INBOX (MESSAGES)' | grep MESSAGES",
            write="echo kept | sendmail alice; sleep 3; grep kept /var/mail/alice",
            read=f"{INBOX} -X 'FETCH 1 BODY[]' >/dev/null && grep kept /var/mail/alice",
        ),
        Daemon(
            "cron",
            "rm -f /var/lib/misc/cron-ran; i=0; until [ -e /var/lib/misc/cron-ran ]; do "
            "i=$((i + 1)); [ $i -lt 65 ] || exit 1; sleep 1; done",
            reload=False,
        ),
        Daemon("unbound", name("unbound", 53, "10.0.0.7")),
        Daemon("dnsmasq", name("dnsmasq", 5354, "10.0.0.8")),
        Daemon("named", name("named", 5353, "10.0.0.9")),
        Daemon("chrony", "chronyc -n tracking | grep Stratum", reload=False),
    )
