"""Accounts and logins."""

from typing import Literal

from notos.config.setting import setting
from notos.config.value_types import AbsolutePath, AccountName, Line, PasswordHash, PublicKey
from notos.structs import dataclass


@dataclass(frozen=True, kw_only=True)
class Ssh:
    """Remote login, by key only."""

    server: Literal["openssh", "dropbear", "none"] = setting("the ssh server", "openssh")
    authorized_keys: tuple[PublicKey, ...] = setting(
        "public keys for root in the image; your own key is not needed here, runvm.sh passes it at boot", ()
    )


@dataclass(frozen=True, kw_only=True)
class User:
    """A user account, with a group of the same name."""

    uid: int | None = setting(
        "its number, and that of its group; without it, one that follows from the name",
        None,
        minimum=1,
        maximum=4294967293,
        example=1000,
    )
    description: Line | None = setting("the full name or the purpose", None)
    groups: tuple[AccountName, ...] = setting("further groups", ())
    shell: AbsolutePath | None = setting(
        "the login shell; without it, /bin/bash if the machine has it, else /bin/sh", None, example="/bin/zsh"
    )
    home: AbsolutePath | None = setting(
        "the home folder, created from /etc/skel at the first boot; without it, /home/NAME",
        None,
        example="/srv/alice",
    )
    authorized_keys: tuple[PublicKey, ...] = setting("public keys for login by ssh", ())
    password_hash: PasswordHash | None = setting(
        "the hash of a password for sudo and the console; without it, no password is valid", None
    )
    sudo: bool = setting(
        "install sudo and permit all commands: with the account's password, or without one if it has none",
        False,
    )
    system: bool = setting("an account for a service: no home folder, no shell, a number below 1000", False)


@dataclass(frozen=True, kw_only=True)
class Group:
    """A group; `users.NAME.groups` declares its members."""

    gid: int | None = setting(
        "its number; without it, one that follows from the name",
        None,
        minimum=1,
        maximum=4294967293,
        example=1000,
    )
