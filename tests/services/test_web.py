"""Web servers, proxies and caches."""

from typing import ClassVar

from tests.services.daemon import Daemon, Life

MEMCACHED = (
    "printf 'set a 0 9 1\\r\\n1\\r\\nget a\\r\\nquit\\r\\n' | busybox nc -w 5 127.0.0.1 11211 | grep VALUE"
)
# The greeting of SOCKS 5 and its answer (RFC 1928).
SOCKS = "printf '\\005\\001\\000' | busybox nc -w 5 127.0.0.1 9050 | busybox od -An -tx1 -N2 | grep '05 00'"


class TestWeb(Life):
    DAEMONS: ClassVar[tuple[Daemon, ...]] = (
        Daemon(
            "nginx",
            "curl -sf 127.0.0.1/ | grep DOCTYPE",
            write="curl -s 127.0.0.1/kept",
            read="grep /kept /var/log/nginx/access.log",
        ),
        Daemon(
            "apache2",
            "curl -sf 127.0.0.1:8080/ | grep DOCTYPE",
            write="curl -s 127.0.0.1:8080/kept",
            read="grep /kept /var/log/apache2/access.log",
        ),
        Daemon("haproxy", "curl -sf 127.0.0.1:8888/ | grep DOCTYPE"),
        Daemon("squid", "curl -sf -x http://127.0.0.1:3128 http://127.0.0.1/ | grep DOCTYPE"),
        Daemon("memcached", MEMCACHED, reload=False),
        Daemon(
            "redis-server",
            '[ "$(redis-cli ping)" = PONG ]',
            reload=False,
            write='[ "$(redis-cli set lab kept)" = OK ]',
            read='[ "$(redis-cli get lab)" = kept ]',
        ),
        Daemon(
            "tor",
            SOCKS,
            write="cp /var/lib/tor/lab/hostname /var/lib/misc/onion",
            read="cmp /var/lib/tor/lab/hostname /var/lib/misc/onion",
        ),
        Daemon(
            "app",
            "curl -sf 127.0.0.1:3000/ | grep visits",
            reload=False,
            write="curl -sf -X POST 127.0.0.1:3000/",
            read="curl -sf 127.0.0.1:3000/ | grep 'visits: 1'",
        ),
        Daemon(
            "prometheus-apache-exporter", "curl -sf 127.0.0.1:9117/metrics | grep apache_up", reload=False
        ),
    )
