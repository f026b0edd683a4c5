"""Publication of the machine's closure as a signed binary cache for Nix."""

from tasks import project, reporter
from tasks.graph import Task, action
from tasks.usage import CACHE_FOLDER, KEY, from_caller, options, usage


def task_publish() -> Task:
    """write the system as a signed binary cache for Nix"""
    return {
        "actions": [action(publish)],
        "task_dep": ["toplevel"],
        "params": options(CACHE_FOLDER, KEY),
        "meta": usage(example="--to /srv/cache"),
    }


def publish(to: str, key: str | None) -> None:
    """Write it, and say by which key it is signed. Raises StoreError."""
    from notos.store import binary_cache
    from notos.store.signing_key import SigningKey, default_path

    folder = from_caller(to)
    signer = SigningKey.load(from_caller(key)) if key else SigningKey.ensure(default_path())
    toplevel = project.get("toplevel")
    reporter.show(f"writing {folder} …")
    done = binary_cache.publish(folder, project.STORE, project.STORE.closure([toplevel]), signer)
    reporter.clear()
    print(
        f"{folder} has {toplevel.path} with all that it needs: {done.objects} objects, {done.written} of "
        f"them new ({done.size / 1e6:.1f} MB)\n"
        f"to take from it, in nix.conf: trusted-public-keys = {signer.public}"
    )
