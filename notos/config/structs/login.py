"""Remote login."""

from typing import Literal

from notos.config.setting import setting
from notos.config.value_types import PublicKey
from notos.structs import dataclass


@dataclass(frozen=True, kw_only=True)
class Ssh:
    """Remote login, by key only."""

    server: Literal["openssh", "dropbear", "none"] = setting("the ssh server", "openssh")
    authorized_keys: tuple[PublicKey, ...] = setting(
        "public keys for root in the image; your own key is not needed here, runvm.sh passes it at boot", ()
    )
