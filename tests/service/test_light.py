"""What must stay light stays light: the client and the server load no tensor library."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "open3d", "ray", "scipy", "matplotlib", "av")


@pytest.mark.parametrize(
    "module",
    ["inr.client", "inr.cli.jobs", "service.server", "service.cli", "service.executors.local", "service.config"],
)
def test_importing_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []


def test_the_client_without_its_packages_says_what_to_install() -> None:
    code = "import sys; sys.modules['grpc'] = None; from inr.cli.main import main; sys.exit(main(['jobs']))"
    run = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60)
    assert run.returncode == 1
    assert run.stderr.strip().endswith("the client needs grpc: pip install 'inr[client]'")


def test_the_server_without_its_packages_says_what_to_install() -> None:
    code = "import sys; sys.modules['structlog'] = None; from inr.cli.main import main; sys.exit(main(['serve']))"
    run = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60)
    assert run.returncode == 1
    assert run.stderr.strip().endswith("the server needs structlog: pip install 'inr[server]'")
