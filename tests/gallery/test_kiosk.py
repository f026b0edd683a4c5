"""A kiosk: a program on the screen, to which the keyboard and the mouse are connected."""

from notos.vm import Machine
from tests.gallery.machines import Gallery

NAMES = {" ": "spc", "-": "minus", "\n": "ret", ";": "semicolon", "/": "slash", "'": "apostrophe"}
SHIFTED = {">": "shift-dot", '"': "shift-apostrophe", "?": "shift-slash"}


def type_keys(machine: Machine, text: str) -> None:
    """Press the keys of a text, on a keyboard of the United States."""
    for each in text:
        machine.send_key(SHIFTED.get(each) or NAMES.get(each, each))


def move(machine: Machine, x: int, y: int) -> None:
    """Move the mouse by some pixels."""
    moved = [{"type": "rel", "data": {"axis": axis, "value": by}} for axis, by in (("x", x), ("y", y))]
    machine.qmp("input-send-event", events=moved)


def click(machine: Machine) -> None:
    """Press the left button of the mouse and release it."""
    for down in (True, False):
        machine.qmp("input-send-event", events=[{"type": "btn", "data": {"down": down, "button": "left"}}])


def test_a_program_on_the_screen(gallery: Gallery) -> None:
    machine = gallery("kiosk")
    machine.wait_until_succeeds("pidof foot", seconds=60)
    machine.wait_until_succeeds("sv check udev", seconds=60)
    machine.wait_for_text("BusyBox", seconds=60)
    gallery.works(machine)
    # The terminal's shell, which foot has started, reads the keys.
    type_keys(machine, "id -un > keys\n")
    assert machine.wait_until_succeeds("cat /home/guest/keys") == "guest\n"
    # A terminal in this mode writes the mouse's place at each click (xterm, "normal tracking mode").
    type_keys(machine, "printf '\\33[?1000h'; cat > mouse\n")
    machine.wait_until_succeeds("pidof cat")
    places: list[str] = []
    for by in ((-2000, -2000), (200, 100)):
        move(machine, *by)
        click(machine)
        type_keys(machine, "\n")
        want = len(places) + 1
        machine.wait_until_succeeds(f"test $(grep -c . /home/guest/mouse) -ge {want}")
        places = machine.succeed("cat /home/guest/mouse").splitlines()
    first, second = (line.encode("latin-1", "replace").partition(b"\x1b[M")[2][:3] for line in places[:2])
    assert first == b" !!", "the left button, pressed in the corner"
    assert second[0] == 32 and second[1] > 33 and second[2] > 33, second
