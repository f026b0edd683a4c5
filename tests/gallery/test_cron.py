"""Debian's cron with PAM, a locale and a time zone, and logrotate."""

from tests.gallery.machines import Gallery


def test_jobs_and_rotation(gallery: Gallery) -> None:
    machine = gallery("cron")
    machine.wait_for_unit("cron")
    machine.succeed("echo '* * * * * id -un >/tmp/own; crontab -l >>/tmp/own' | crontab -u alice -")
    assert "Berlin" in machine.succeed("cat /etc/timezone")
    # Rotation by Debian's own job, as cron runs it each day.
    machine.succeed(
        "mkdir -p /var/log/app", "echo line >/var/log/app/a.log", "run-parts --test /etc/cron.daily"
    )
    assert "/etc/cron.daily/logrotate" in machine.succeed("run-parts --test /etc/cron.daily")
    machine.succeed("logrotate -f /etc/logrotate.conf")
    assert machine.succeed("cat /var/log/app/a.log.1") == "line\n"
    machine.wait_until_succeeds("test -s /tmp/hello && test -s /tmp/own", seconds=100)
    gallery.works(machine)
    user, language, date = machine.succeed("cat /tmp/hello").splitlines()
    assert (user, language) == ("alice", "LANG=de_DE.UTF-8")
    assert date in ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag")
    assert machine.succeed("head -n 1 /tmp/own") == "alice\n"
    assert "session opened for user alice" in machine.succeed("cat /var/log/syslog/current")
