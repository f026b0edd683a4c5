"""A kiosk: a program on the screen, to which the keyboard is connected."""

from notos.vm.plugin import MachineFactory


def test_a_program_on_the_screen(machine_factory: MachineFactory) -> None:
    machine = machine_factory("examples/machines/kiosk.yaml")
    machine.wait_until_succeeds("pidof foot", seconds=60)
    machine.wait_until_succeeds("sv check udev", seconds=60)
    machine.wait_for_text("BusyBox", seconds=60)
    # The terminal's shell, which foot has started, reads the keys.
    for key in ("i", "d", "spc", "shift-minus", "u", "n", "spc", "shift-dot", "k", "e", "y", "s", "ret"):
        machine.send_key(key.replace("shift-minus", "minus"))
    assert machine.wait_until_succeeds("cat /home/guest/keys") == "guest\n"
