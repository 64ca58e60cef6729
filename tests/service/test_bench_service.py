"""The benchmark of the service: a real tiny run through the command line."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from inr.bench.service import load as service
from inr.cli.main import main

WHAT = (
    "wall time of a fit, through the service / in process",
    "first preview, after a worker took the job",
    "time of a fit, with a watcher that does not read / without",
    "events that it reads when the fit is over",
    "events that each of 4 watchers got",
    "health check, 8 at a time, during a fit",
    "failed of 16 health checks",
    "list of 5 queued jobs, all pages",
    "most memory of the server, upload of 0.000977 GiB",
    "upload of 0.000977 GiB",
)


def test_the_service_is_measured(
    tmp_path: Path,
    picture: npt.NDArray[np.uint8],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Image.fromarray(picture[:32, :32]).save(tmp_path / "tiny.png")
    monkeypatch.chdir(tmp_path)
    for name, value in {"LISTED": 5, "LISTS": 3, "WATCHERS": 4, "WATCHED_STEPS": 20, "CHECKS": 16}.items():
        monkeypatch.setattr(service, name, value)
    monkeypatch.setattr(service, "_steps_for", lambda signal, seconds: 20)  # a second would be more than 50
    quick = ("--seconds", "1", "--repeats", "1", "--upload-mib", "1")
    assert main(["bench", "service", "tiny.png", *quick]) == 0
    output, errors = capsys.readouterr()
    told = errors.splitlines()
    assert len(told) == 6
    assert all(line.startswith("inr: ") for line in told)
    assert {path.name for path in (tmp_path / "bench").iterdir()} == {"service.md", "service.json"}
    document = json.loads((tmp_path / "bench" / "service.json").read_text("utf-8"))
    assert (document["benchmark"], document["settings"]["source"]) == ("service", "tiny")
    assert document["environment"]["threads"] >= 1
    found = {finding["what"]: finding for finding in document["findings"]}
    assert tuple(found) == WHAT
    for finding in found.values():
        assert finding["least"] <= finding["median"] <= finding["most"]
    assert found["failed of 16 health checks"]["most"] == 0
    assert [finding["count"] for finding in found.values()] == [1, 1, 1, 1, 4, 16, 1, 3, 1, 1]
    for what in set(WHAT) - {"failed of 16 health checks"}:
        assert found[what]["least"] > 0, what
    table = (tmp_path / "bench" / "service.md").read_text("utf-8")
    assert output.startswith(table)
    assert all(f"| {what}" in table for what in WHAT)
