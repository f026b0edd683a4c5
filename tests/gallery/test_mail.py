"""A mail server: a letter sent by SMTP is read by IMAP; mail for others is refused."""

import imaplib
import smtplib
from email.message import EmailMessage
from pathlib import Path

import pytest

from notos.vm import Machine
from tests.gallery.machines import Gallery
from tests.gallery.outside import patiently
from tests.this_host import wait_until


def send(machine: Machine, to: str) -> None:
    """Send a letter from outside."""
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = "you@host.example", to, "a letter"
    letter.set_content("hello alice\n")
    with smtplib.SMTP(
        "127.0.0.1", machine.wait_for_port(25, seconds=60), "host.example", timeout=60
    ) as server:
        server.send_message(letter)


def letters(machine: Machine) -> list[bytes]:
    """Return the letters that alice has."""
    with imaplib.IMAP4("127.0.0.1", machine.wait_for_port(143, seconds=60), timeout=60) as server:
        server.login("alice", "secret")
        server.select("INBOX", readonly=True)
        numbers = server.search(None, "ALL")[1][0].split()
        found = [server.fetch(number.decode(), "(RFC822)")[1][0] for number in numbers]
        return [each[1] for each in found if isinstance(each, tuple)]


def test_a_letter(gallery: Gallery, tmp_path: Path) -> None:
    machine = gallery("mail", environment={"DISK": str(tmp_path / "disk.img")})
    patiently(lambda: send(machine, "alice@mail.example"))
    (letter,) = wait_until(lambda: patiently(lambda: letters(machine)), "alice has a letter", seconds=120)
    assert b"hello alice" in letter
    gallery.works(machine)
    for stranger in ("someone@other.example", "nobody-here@mail.example"):
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            send(machine, stranger)
    server = imaplib.IMAP4("127.0.0.1", machine.forward(143), timeout=60)
    with server, pytest.raises(imaplib.IMAP4.error):
        server.login("alice", "wrong")
    machine.reboot()
    assert len(patiently(lambda: letters(machine))) == 1
