"""The interpreter of the runtimes: a virtual environment that has awslambdaric and nothing else.

What a function imports beside the runtime therefore comes from its artifact, or the import fails.
"""

import subprocess
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path
from shutil import copyfile

_RUNTIME = ("awslambdaric", "simplejson", "snapshot-restore-py")


def interpreter(folder: Path) -> Path:
    """The Python of the virtual environment in `folder`, which is made when it is not there yet."""
    venv = folder / "runtime"
    python, done = venv / "bin" / "python", venv / "complete"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--clear", venv], check=True)
        (packages,) = venv.glob("lib/python*/site-packages")
        for name in _RUNTIME:
            _copy(distribution(name), packages)
        done.touch()
    return python


def _copy(source: Distribution, packages: Path) -> None:
    """Copy an installed distribution's files, native libraries included, without its scripts and caches."""
    for file in source.files or ():
        if ".." not in file.parts and file.suffix != ".pyc":
            target = packages / file
            target.parent.mkdir(parents=True, exist_ok=True)
            copyfile(str(file.locate()), target)
