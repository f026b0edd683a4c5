"""The device manager (udev): drivers, names and rights of devices such as keyboards and screens."""

from notos.config.model import Glob, Machine, Package, PackageName
from notos.config.package_lists import system_names
from notos.config.reader import Checks
from notos.features.model import Feature, Service

KEYS = ()
CHECKS: Checks = {}

# Purposes of kernel.for whose drivers are loaded when a device is found, or whose programs read udev's data.
PURPOSES = ("all", "bluetooth", "input", "screen", "sound", "usb", "wireless")

_PACKAGE = Package(
    name=PackageName("udev"),
    # The sources of the hardware database only correct details of devices.
    exclude=(Glob("usr/lib/udev/hwdb.d/*"), Glob("etc/init.d/*")),
)
# udev loads it at run time (dlopen(3)), so it is not among the libraries of its programs.
_MODULES = Package(name=PackageName("libkmod2"))
_MEMORY = 24  # MiB: workers that load drivers in parallel


def feature(machine: Machine) -> Feature:
    """Return udev and its daemon, if the machine has drivers for such devices or the config names udev."""
    named = system_names(machine)
    if not set(PURPOSES) & set(machine.kernel.for_) and _PACKAGE.name not in named:
        return Feature()
    return Feature(
        packages=(_MODULES,) if _PACKAGE.name in named else (_PACKAGE, _MODULES),
        services=(Service(name="udev", folder="udev", log=True),),
        kernel_params=("net.ifnames=0",),  # the network is up before udev starts: it must not rename eth0
        memory=_MEMORY,
        reserved_services={
            "udev": "kernel.for without input, screen, sound, usb, bluetooth, wireless and all"
        },
    )
