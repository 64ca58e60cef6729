"""Pictures of high dynamic range through a server: what it says of them, and what it makes of them."""

from pathlib import Path

import numpy as np
import pytest

import inr
from inr.cli.main import main
from inr.errors import SignalError
from tests.service.conftest import SMALL
from tests.support.image_files import Array, exr_bytes, tiff_bytes
from tests.support.servers import RunningServer


def scene() -> Array:
    """Linear light with a small sun."""
    y, x = np.mgrid[:24, :32] / 8.0
    light = 0.2 * np.exp(np.sin(x + y))[..., None] * np.array([1.0, 0.9, 0.8])
    light[3:5, 5:7] = 30_000.0
    return np.asarray(light, np.float32)


def test_a_result_names_what_a_viewer_sees(
    server: RunningServer, client: inr.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sun.exr"
    path.write_bytes(exr_bytes({"RGB": scene()}))
    job = client.submit(path, layers=2, **SMALL)
    info = job.wait(timeout=60)
    assert info.result is not None
    here = inr.compress(path, layers=2, **SMALL)
    assert job.result() == here.data
    assert list(info.result.metrics) == ["pu21_psnr", "psnr", "pu21_ssim"]
    assert info.result.metrics == pytest.approx(here.report.metrics)
    assert info.result.psnr == info.result.metrics["psnr"]
    seen = [layer.pu21_psnr for layer in info.result.layers]
    assert seen == pytest.approx(here.report.layer_psnr, abs=0.006)
    enough = (seen[0] or 0.0) + 0.001  # of the PSNR of linear light, the first layer has more
    assert [layer.number for _, layer in client.stream(job, enough_psnr=enough)] == [1, 2]
    np.testing.assert_array_equal(client.decode(job), inr.open(here.data).decode())
    assert main(["jobs", "--server", server.address]) == 0
    assert f"PU21-PSNR {info.result.metrics['pu21_psnr']:.2f} dB, PSNR of linear light" in capsys.readouterr().out


def test_samples_without_data_fail_a_job_in_one_line(client: inr.Client, tmp_path: Path) -> None:
    heights = np.linspace(0, 500, 24 * 32, dtype=np.float32).reshape(24, 32)
    heights[0, :3] = -9999
    path = tmp_path / "map.tif"
    path.write_bytes(tiff_bytes(heights, photometric="minisblack", extratags=[(42113, 2, 6, "-9999", True)]))
    with pytest.raises(SignalError, match="has 3 of 768 samples without data, marked as -9999; a field has a value"):
        client.submit(path, **SMALL).wait(timeout=60)
