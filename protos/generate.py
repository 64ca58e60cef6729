"""Generate `inr/rpc/v1` from the `.proto` files beside this one: ``python protos/generate.py [--check]``.

With ``--check`` nothing is written; the exit code is 1 if the committed files are not what would be generated.
"""

import sys
import sysconfig
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

PROTOS = Path(__file__).parent
ROOT = PROTOS.parent
PACKAGE = Path("inr/rpc/v1")


def generate(folder: Path) -> None:
    """Run protoc for all files; raises SystemExit if it fails."""
    sources = sorted(str(path.relative_to(PROTOS)) for path in (PROTOS / PACKAGE).glob("*.proto"))
    outputs = [f"--{kind}_out={folder}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
    include = str(files("grpc_tools") / "_proto")
    scripts = Path(sysconfig.get_path("scripts"))
    plugins = [f"--plugin={path}" for path in (scripts / "protoc-gen-mypy", scripts / "protoc-gen-mypy_grpc")]
    if protoc.main(["protoc", f"-I{PROTOS}", f"-I{include}", *plugins, *outputs, *sources]) != 0:
        raise SystemExit("protoc failed")


def differences() -> list[str]:
    """Names of generated files that differ from the committed ones, or that only one side has."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        new = {path.name: path.read_bytes() for path in (Path(folder) / PACKAGE).iterdir()}
    old = {path.name: path.read_bytes() for path in (ROOT / PACKAGE).glob("*_pb2*")}
    return sorted(name for name in old | new if old.get(name) != new.get(name))


def main() -> int:
    """Generate, or check."""
    if "--check" not in sys.argv[1:]:
        generate(ROOT)
        return 0
    stale = differences()
    if stale:
        sys.stderr.write(f"generated code is stale: {', '.join(stale)}; run make protos\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
