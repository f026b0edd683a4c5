"""Requirements on a kernel's configuration, and the check that a kernel meets them; features list them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from notos import errors
from notos.errors import KernelError
from notos.structs import dataclass

if TYPE_CHECKING:
    from notos.kernel.kconfig import Config

_KERNEL = ("kernel", "package")
_OTHER = "compile a kernel that has it (kernel.source)"


@dataclass(frozen=True)
class Requirement:
    """A symbol of the kernel's configuration that must be y, or m where its module is loaded."""

    symbol: str
    why: str
    module: str = ""  # "" if the symbol must be built in
    early: bool = True  # True if stage-1 loads the module, False if the running system does
    keys: tuple[str, ...] = _KERNEL  # the path of the config key that causes it


def implied(config: "Config", wanted: Iterable[Requirement]) -> list[str]:
    """Return the modules that stage-1 loads without being listed: those that meet a requirement."""
    return [each.module for each in wanted if each.module and each.early and config.get(each.symbol) == "m"]


def lacking(config: "Config", wanted: Iterable[Requirement]) -> list[Requirement]:
    """Return the requirements that a kernel with the configuration `config` does not meet."""

    def met(each: Requirement) -> bool:
        value = config.get(each.symbol, "n")
        return value == "y" or (value == "m" and bool(each.module))

    return [each for each in wanted if not met(each)]


def check(config: "Config", wanted: Iterable[Requirement]) -> None:
    """Raise KernelError with every requirement that a kernel configured as `config` does not meet."""
    errors.raise_all(
        KernelError(
            f"the kernel has CONFIG_{each.symbol}={config.get(each.symbol, 'n')}, "
            f"but =y is needed {each.why}",
            hint=_OTHER if each.keys == _KERNEL else f"change this, or {_OTHER}",
            keys=each.keys,
        )
        for each in lacking(config, wanted)
    )


def check_signed(config: "Config") -> None:
    """Raise KernelError if modules are signed with a key that each build generates."""
    if config.get("MODULE_SIG") == "y" and config.get("MODULE_SIG_KEY") == '"certs/signing_key.pem"':
        raise KernelError(
            "MODULE_SIG=y signs modules with a key that each build generates, so no two builds are the same",
            hint="give one as kernel.signing_key, or turn MODULE_SIG off",
            keys=("kernel", "options", "MODULE_SIG"),
        )
