"""Builds what is deployed into a folder: our three packages, their dependencies, the service data that is used.

`sam build` calls it once per function, through the Makefile. It fetches wheels for the target platform, so the
machine need not be of that kind; two builds of the same sources are the same to the byte.
"""

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pydantic import ValidationError

from workflows.requests.authority import Grants

#: The Python that the template names.
TARGET = "3.13"
PACKAGES = ("handlers", "workflows", "infra")
#: What of them does not run there: the sandbox, the command line, what SAM reads by itself.
LEFT_OUT = ("infra/sandbox", "infra/state_machines", "handlers/cli*.py")
#: The services whose descriptions botocore is asked for; a test runs the artifact and finds any that is missing.
SERVICES = frozenset({
    "bedrock-agentcore-control", "agent-registry-control", "secretsmanager", "sts", "events", "dynamodb", "s3",
    "stepfunctions", "sqs",
})  # fmt: skip
#: What wheels bring along and nothing imports.
UNUSED = ("**/*.pyi", "**/*.pyx", "**/*.pxd", "**/*.pxi", "**/*.c", "**/*.h", "**/*.hash", "bin", "**/tests")
NOTES = frozenset({"RECORD", "INSTALLER", "REQUESTED", "WHEEL", "direct_url.json", "top_level.txt", "zip-safe"})
#: The C library of the Lambda runtime (Amazon Linux 2023) is 2.34.
GLIBC = range(17, 35)
ARCHITECTURES = {"arm64": "aarch64", "x86_64": "x86_64"}
#: The first moment that a zip file can name: modification times are the same in every build.
EPOCH = 315_619_200


def main() -> int:
    """Build into the folder that is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--arch", choices=ARCHITECTURES, default=os.environ.get("ARCH") or "arm64")
    parser.add_argument("--python", default=os.environ.get("TARGET_PYTHON") or TARGET, metavar="X.Y")
    parser.add_argument("--cache", type=Path, default=ROOT / "build", help="where dependencies are kept ready")
    parser.add_argument("--grants", type=Path, default=Path(os.environ.get("GRANTS") or ROOT / "grants.yaml"))
    options = parser.parse_args()
    try:
        build(options.out, options.arch, options.python, options.grants, options.cache)
    except (BuildError, OSError, subprocess.CalledProcessError) as error:
        print(f"build: {error}", file=sys.stderr)
        return 1
    return 0


class BuildError(Exception):
    """It cannot be built; the text says why."""


def build(out: Path, arch: str, version: str, grants: Path, cache: Path) -> None:
    """Build the artifact for an architecture and a version of Python."""
    compiler = interpreter(version)
    if compiler is None:
        print(f"build: no Python {version} here, so no bytecode: cold starts will be slower", file=sys.stderr)
    dependencies = _dependencies(arch, version, compiler, cache)
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(dependencies, out)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, out / package, ignore=shutil.ignore_patterns("__pycache__"))
    for pattern in LEFT_OUT:
        _remove(out.glob(pattern))
    (out / "grants.json").write_text(_grants(grants), "utf-8")
    _compile(out, compiler, [out / package for package in PACKAGES])
    _same_every_time(out)


def interpreter(version: str) -> str | None:
    """Return a Python of this version that is on this machine; None where there is none."""
    if sys.version_info[:2] == tuple(int(part) for part in version.split(".")):
        return sys.executable
    found = subprocess.run([ROOT / "tools" / "find-python", version], capture_output=True, text=True, check=False)
    return found.stdout.strip() or None


def _dependencies(arch: str, version: str, compiler: str | None, cache: Path) -> Path:
    """Return a folder with the dependencies, made once for what decides its content."""
    decides = [ROOT / "requirements.txt", Path(__file__)]
    key = hashlib.sha256(b"\n".join(path.read_bytes() for path in decides))
    key.update(f"{arch} {version} {bool(compiler)}".encode())
    made = cache / f"dependencies-{arch}-{key.hexdigest()[:16]}"
    made.parent.mkdir(exist_ok=True)
    with (made.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            work = made.with_name(f"{made.name}.partly")
            shutil.rmtree(work, ignore_errors=True)
            _fetch(work, arch, version)
            _prune(work)
            _compile(work, compiler, [work])
            work.rename(made)
    return made


def _fetch(folder: Path, arch: str, version: str) -> None:
    machine = ARCHITECTURES[arch]
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in reversed(GLIBC)] + [f"manylinux2014_{machine}"]
    tags = [f"cp{version.replace('.', '')}", "abi3", "none"]
    command = [
        sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes",
        "--no-deps", "--only-binary=:all:", "--no-compile", "--implementation=cp", f"--python-version={version}",
        *(f"--platform={platform}" for platform in platforms), *(f"--abi={tag}" for tag in tags),
        "--target", str(folder), "--requirement", str(ROOT / "requirements.txt"),
    ]  # fmt: skip
    subprocess.run(command, check=True)


def _prune(folder: Path) -> None:
    data = folder / "botocore" / "data"
    _remove(path for path in data.iterdir() if path.is_dir() and path.name not in SERVICES)
    for pattern in UNUSED:
        _remove(folder.glob(pattern))
    _remove(path for path in folder.glob("*.dist-info/*") if path.name in NOTES)


def _remove(paths: Iterator[Path]) -> None:
    for path in list(paths):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _compile(root: Path, compiler: str | None, folders: list[Path]) -> None:
    """Compile to bytecode that does not look at the sources' times, which a zip file does not keep."""
    if compiler is None:
        return
    command = [compiler, "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(root), "-p", "/var/task", *map(str, folders)]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    subprocess.run(command, check=True, env=environment)


def _grants(path: Path) -> str:
    """Read the grants, which a deployment takes along as JSON; one that is wrong is never built."""
    try:
        value = yaml.safe_load(path.read_text("utf-8"))
        Grants.model_validate(value)
    except (ValidationError, yaml.YAMLError) as error:
        raise BuildError(f"{path.name}: {error}") from None
    return json.dumps(value, indent=1, sort_keys=True) + "\n"


def _same_every_time(folder: Path) -> None:
    for path in sorted([folder, *folder.rglob("*")]):
        path.chmod(0o755 if path.is_dir() or path.suffix == ".so" else 0o644)
        os.utime(path, (EPOCH, EPOCH))


if __name__ == "__main__":
    sys.exit(main())
