"""Databases, message brokers and Prometheus with exporters."""

from typing import ClassVar

from notos.vm import Machine
from tests.services.daemon import Daemon, Life

AMQP = "printf 'AMQP\\000\\000\\011\\001' | busybox nc -w 5 127.0.0.1 5672 | grep -q RabbitMQ"

UP = "curl -sf '127.0.0.1:9090/api/v1/query?query=up"
SOME = '"result":\\[{'


def psql(sql: str) -> str:
    return f'cd /; su postgres -c "psql -Atqc \\"{sql}\\""'


def figure(port: int, name: str) -> str:
    return f"curl -sf 127.0.0.1:{port}/metrics | grep '^{name} 1'"


class TestStack(Life):
    DAEMONS: ClassVar[tuple[Daemon, ...]] = (
        Daemon(
            "postgresql",
            psql("select 1"),
            write=psql("create table lab as select 7 as kept"),
            read=f'[ "$({psql("select kept from lab")})" = 7 ]',
        ),
        Daemon(
            "mariadb",
            "mariadb -e 'select 1'",
            reload=False,
            write="mariadb -e 'create database lab; create table lab.kept (value int)'",
            read="mariadb -e 'select * from lab.kept'",
        ),
        Daemon(
            "rabbitmq-server",
            AMQP,
            reload=False,
            write="rabbitmqctl -q add_vhost kept",
            read="rabbitmqctl -q list_vhosts | grep kept",
        ),
        Daemon(
            "mosquitto",
            "mosquitto_pub -r -t lab -m kept && mosquitto_sub -t lab -C 1 -W 9 | grep kept",
            write="mosquitto_pub -q 1 -r -t reboot -m kept",
            read="mosquitto_sub -t reboot -C 1 -W 9 | grep kept",
        ),
        Daemon(
            "prometheus",
            "curl -sf 127.0.0.1:9090/-/ready",
            write=f"until {UP}' | grep '{SOME}'; do sleep 2; done; date +%s >/var/lib/misc/when",
            read=f"{UP}&time='$(cat /var/lib/misc/when) | grep '{SOME}'",
        ),
        # Its unit reloads by SIGHUP, which ends the program, also with systemd.
        Daemon("prometheus-node-exporter", "curl -sf 127.0.0.1:9100/metrics | grep node_load1", reload=False),
        Daemon("prometheus-postgres-exporter", figure(9187, "pg_up"), reload=False),
        Daemon("prometheus-mysqld-exporter", figure(9104, "mysql_up"), reload=False),
        Daemon("prometheus-blackbox-exporter", "curl -sf 127.0.0.1:9115/-/healthy"),
    )

    def test_it_answers(self, booted: Machine, daemon: Daemon) -> None:
        """The exporters need accounts in the databases, which an administrator creates."""
        if daemon.service == "prometheus-postgres-exporter":
            booted.succeed(psql("create role prometheus login; grant pg_monitor to prometheus"))
        elif daemon.service == "prometheus-mysqld-exporter":
            booted.succeed("mariadb -e 'create user prometheus@localhost identified via unix_socket'")
        super().test_it_answers(booted, daemon)
