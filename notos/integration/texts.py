"""Files in /etc that maintainer scripts write as literal text below unknown conditions.

A file of a package stays. Read are `cat >FILE <<EOF` and `echo TEXT >FILE`. A file that a script writes in
different ways is left out.
"""

from notos.debian.kinds import unwanted
from notos.debian.maintainer_scripts import ScriptCall
from notos.formats.tree import Directory, Tree
from notos.formats.usr_merge import merged
from notos.integration.model import Context

COMMANDS = ("cat", "echo")


def apply(tree: Tree, context: Context) -> None:
    """Add the files to `tree`."""
    left_out = unwanted(context.keep)
    found: dict[str, set[str]] = {}
    for each in context.calls(*COMMANDS):
        if (
            not each.call.certain
            and each.call.writes
            and (path := each.call.writes[0])
            and path.startswith("/etc/")
        ):
            found.setdefault(merged(path.lstrip("/")), set()).add(_text(each) or "")
    for path, texts in sorted(found.items()):
        parts = path.split("/")
        parents = ("/".join(parts[:length]) for length in range(1, len(parts)))
        free = all(isinstance(tree.get(each), Directory | None) for each in parents)
        if path not in tree and free and len(texts) == 1 and not left_out(path) and (text := texts.pop()):
            tree.file(path, text.encode())


def understood(each: ScriptCall) -> bool:
    """Return True for a call that writes a literal text to a file in /etc."""
    path = each.call.writes[0] if each.call.writes else None
    return path is not None and path.startswith("/etc/") and _text(each) is not None


def _text(each: ScriptCall) -> str | None:
    """Return the text that a call writes; None if it is unknown."""
    call = each.call
    if len(call.writes) != 1 or call.appends or each.script == "config":
        return None
    if call.words == ("cat",):
        return call.document
    words = [word for word in call.words[1:] if word is not None]
    if call.name != "echo" or len(words) < len(call.words) - 1 or any("\\" in word for word in words):
        return None
    return None if words and words[0].startswith("-") else " ".join(words) + "\n"
