"""What the tests build: once on a machine for the same content, whichever worker or run of them asks first."""

import fcntl
import hashlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: What decides what is built: files, and folders with all that is in them.
_DECIDES = (
    "handlers", "workflows", "infra", "tools", "tests/deploy/grants.yaml", "template.yaml", "Makefile",
    "requirements.txt", "samconfig.toml",
)  # fmt: skip


def built(name: str, make: Callable[[Path], object]) -> Path:
    """Return the folder that `make` filled with the project as it is now; nobody writes into it afterwards."""
    folder = ROOT / "build" / "tests" / f"{name}-{_content()}"
    done = folder.with_name(f"{folder.name}.done")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            for old in folder.parent.glob(f"{name}-*"):
                if old.is_dir():
                    shutil.rmtree(old)
                else:
                    old.unlink()
            make(folder)
            done.touch()
    return folder


def _content() -> str:
    """Return a digest of all that decides what is built."""
    digest = hashlib.sha256(sys.version.encode())
    for one in _DECIDES:
        path = ROOT / one
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(ROOT)} {file.stat().st_mode}\n".encode() + file.read_bytes())
    return digest.hexdigest()[:16]
