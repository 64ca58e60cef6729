"""The arithmetic of the benchmarks against values computed by hand, and what their figures are made of."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inr.bench import stats
from inr.bench.documents import markdown
from inr.bench.plot import Line, save, spread_out
from inr.bench.results import Curve, Result
from inr.bench.zoo.learning_rates import recommendations
from inr.bench.zoo.readme import write
from inr.bench.zoo.report import summary, table
from inr.bench.zoo.video import moments
from inr.errors import FileAccessError, SpecError
from inr.models.base import MODELS


def result(case: str, psnr: float, **changes: Any) -> Result:
    settings = {"group": "", "source": "a", "seed": 0, "shape": (8, 8, 3), "fit": {}, "outcome": "done"}
    return Result(case=case, psnr=psnr, **{**settings, **changes})


def test_spread_is_median_and_quartiles() -> None:
    assert stats.spread([4.0, 1.0, 3.0, 2.0]) == stats.Spread(2.5, 1.75, 3.25)
    assert stats.spread([7.0]) == stats.Spread(7.0, 7.0, 7.0)


def test_deviation_over_seeds_leaves_out_that_of_the_sources() -> None:
    values = {"a": (30.0, 32.0), "b": (20.0,), "c": (10.0, 14.0)}
    results = [result("x", p, source=s, seed=i) for s, psnr in values.items() for i, p in enumerate(psnr)]
    assert stats.seed_deviation(results) == pytest.approx(math.sqrt(4.5))  # the median of 1.414 and 2.828
    assert stats.seed_deviation(results[:1]) is None


def test_gain_is_paired() -> None:
    base = [result("base", 30.0), result("base", 20.0, source="b"), result("base", 25.0, source="c")]
    mine = [result("x", 31.0), result("x", 23.0, source="b"), result("x", 99.0, source="d")]
    assert stats.paired_gain(mine, base) == stats.Spread(2.0, 1.5, 2.5)
    assert stats.paired_gain(mine[2:], base) is None


def test_summary_of_known_results() -> None:
    results = [
        result("siren", 30.0, steps=10, seconds=2.0, parameters=5, ssim=0.5),
        result("siren", 32.0, seed=1, steps=20, seconds=4.0, parameters=5, ssim=0.7),
        result("gauss", 33.0, steps=8, seconds=1.0, parameters=6, ssim=0.9),
        result("gauss", 0.0, seed=1, outcome="diverged", reason="too fast"),
        result("fkan", 0.0, outcome="refused", reason="no"),
    ]
    gauss, siren = summary(results)
    assert (gauss.case, gauss.runs, gauss.failed, gauss.psnr.median) == ("gauss", 1, 1, 33.0)
    assert gauss.gain is not None
    assert gauss.gain.median == 3.0
    assert (siren.psnr.median, siren.steps, siren.seconds) == (31.0, 15, 3.0)
    assert siren.ssim.median == pytest.approx(0.6)
    text = table(summary(results), [], {"": "siren"})
    assert "| gauss |          6 |   33.00 | 33.00 to 33.00 |    +3.00 |" in text


def test_curves_are_linear_in_the_logarithm_of_time() -> None:
    curve = Curve((1.0, 100.0), (1, 100), (10.0, 30.0))
    np.testing.assert_allclose(stats.value_at(curve, np.array([0.1, 1, 10, 100, 1000])), [10, 10, 20, 30, 30])
    assert stats.seconds_to_reach([curve], 20.0) == pytest.approx(10)
    assert stats.seconds_to_reach([curve], 9.0) == 1
    assert stats.seconds_to_reach([curve], 30.5) is None
    assert stats.seconds_to_reach([curve, Curve((2.0, 3.0), (), (25.0, 26.0))], 20.0) == 2
    assert stats.best_until([curve], 0.5) == -math.inf
    assert stats.best_until([curve], 10.0) == pytest.approx(20)
    assert stats.best_until([curve, Curve((1.0, 2.0), (), (24.0, 22.0))], 10.0) == 24
    other = Curve((2.0, 50.0), (), (0.0, 0.0))
    median = stats.median_curve([curve, other, other])
    assert [median.seconds[0], median.seconds[-1]] == pytest.approx([2, 50])
    assert set(median.psnr) == {0.0}
    best = stats.best_curve([curve, other])
    assert (best.seconds[0], best.seconds[-1], best.psnr[0], best.psnr[-1]) == (1, 100, 10, 30)
    assert list(best.psnr) == sorted(best.psnr)


def test_recommendation_of_known_results() -> None:
    def of(rates: dict[str, float | None]) -> tuple[float, float | None, bool]:
        results = [
            result(rate, psnr or 0.0, group="siren", outcome="diverged" if psnr is None else "done")
            for rate, psnr in rates.items()
        ]
        (entry,) = recommendations(results, summary(results))
        return entry.rate, entry.gain, entry.edge

    assert MODELS.get("siren").learning_rate == 1e-3
    assert of({"0.001": 30.0, "0.0005": 29.0, "0.002": 28.0}) == (1e-3, 0.0, False)
    assert of({"0.001": 30.0, "0.0005": 29.0, "0.002": 31.5}) == (2e-3, 1.5, True)
    assert of({"0.001": None, "0.0005": 29.0, "0.002": None}) == (5e-4, None, True)


def test_moments_of_known_fits() -> None:
    """SIREN has 10, 20, 30 dB in fits of 1, 10, 100 s; cp 20 dB in 1 s and 30 dB in 5 s; tt never more than 12 dB.

    What a fit had on the way does not count.
    """
    fits = {
        "siren": {1.0: 10.0, 10.0: 20.0, 100.0: 30.0},
        "finr cp": {1.0: 20.0, 5.0: 30.0, 100.0: 32.0},
        "finr tt": {1.0: 10.0, 100.0: 12.0},
    }
    early = Curve((0.5, 0.9), (), (40.0, 50.0))
    results = [
        result(case, psnr, group="clip", seconds=seconds, curve=early)
        for case, points in fits.items()
        for seconds, psnr in points.items()
    ] + [result("finr tucker", 0.0, group="clip", outcome="refused")]
    found = moments(results, 100.0)
    assert [moment.seconds for moment in found] == [100.0, 50.0, 25.0, 12.5]
    last = found[0]
    assert last.psnr == {"siren": 30.0, "finr cp": 32.0, "finr tt": 12.0}
    assert last.reached == {"siren": pytest.approx(100), "finr cp": pytest.approx(5), "finr tt": None}
    assert last.speed_up == {"siren": 1.0, "finr cp": pytest.approx(20), "finr tt": None}
    level = 20 + 10 * math.log10(12.5 / 10)
    assert found[3].psnr["siren"] == pytest.approx(level)
    assert found[3].reached["finr cp"] == pytest.approx(5 ** ((level - 20) / 10))


def test_labels_are_moved_apart_and_no_further() -> None:
    close: Callable[[list[float]], Any] = lambda values: pytest.approx(values, abs=1e-12)  # noqa: E731
    assert spread_out([0.2, 0.5, 0.9], 0.1) == close([0.2, 0.5, 0.9])
    assert spread_out([0.5, 0.5, 0.9], 0.1) == close([0.45, 0.55, 0.9])
    assert spread_out([0.4, 0.5, 0.5, 0.5], 0.1) == close([0.325, 0.425, 0.525, 0.625])
    assert spread_out([0.0, 0.01, 1.0, 1.0], 0.1) == close([0.0, 0.1, 0.9, 1.0])


def test_figure_is_the_same_every_time(tmp_path: Path) -> None:
    panels = {"one": {"a": Line((0.1, 1, 20), (10, 15, 17), "17"), "b": Line((0.5, 20), (9, 16), "16", ((20, 16),))}}
    first = [path.read_bytes() for path in save(tmp_path / "figure", panels, "time (s)", "PSNR (dB)")]
    again = [path.read_bytes() for path in save(tmp_path / "figure", panels, "time (s)", "PSNR (dB)")]
    assert first == again
    assert first[0].startswith(b"\x89PNG")
    assert b"<svg" in first[1]
    assert b"dc:date" not in first[1]


def test_markdown_is_aligned() -> None:
    assert markdown([["case", "dB"], ["a", "10.25"]]) == ["| case |    dB |", "|------|------:|", "| a    | 10.25 |"]


def told(name: str, **changes: Any) -> dict[str, Any]:
    """A document of a benchmark with two cases in each of two groups."""
    settings = {"seconds": None, "steps": 40, "parameters": 9000, "seeds": 1, "sources": {"a": [8, 8, 3]}}
    row = {"gain": {"median": 0.0}, "psnr": {"median": 30.126}, "ssim": {"median": 0.91234}, "steps": 40}
    better = {**row, "gain": {"median": 1.25}, "psnr": {"median": 31.376}}
    groups = ("siren", "gauss")
    return {
        "benchmark": name,
        "settings": {**settings, "models": list(groups)},
        "environment": {"threads": 2},
        "complete": True,
        "summary": [
            {"group": group, "case": case, **numbers}
            for group in groups
            for case, numbers in (("vi3nr now", better), ("default", row))
        ],
        "results": [{"group": group, "case": case} for group in groups for case in ("default", "vi3nr now")],
        **changes,
    }


PLACE = "# Title\n\n<!-- table inits: written by `inr bench readme` -->\nold\n<!-- end of table inits -->\n\nmore\n"


def test_readme_tables_come_from_the_documents(tmp_path: Path) -> None:
    (tmp_path / "inits.json").write_text(json.dumps(told("inits")), "utf-8")
    readme = tmp_path / "README.md"
    readme.write_text(PLACE, "utf-8")
    assert not write(readme, tmp_path, check=True)
    assert readme.read_text("utf-8") == PLACE
    assert not write(readme, tmp_path, check=False)
    text = readme.read_text("utf-8")
    assert text.startswith("# Title\n\n<!-- table inits")
    assert text.endswith("<!-- end of table inits -->\n\nmore\n")
    assert "old" not in text
    assert "`inr bench inits --models siren,gauss --steps 40 --seeds 1`, at most 9,000 parameters, 2 threads" in text
    assert "| `vi3nr` now |   31.38 |             +1.25 | 0.912 |    40 |" in text
    assert text.count("against `default`") == 2
    assert text.index("`siren`:") < text.index("`gauss`:")
    assert write(readme, tmp_path, check=False)
    assert readme.read_text("utf-8") == text


@pytest.mark.parametrize(
    ("document", "text", "error", "message"),
    [
        (told("inits", complete=False), PLACE, SpecError, r"inits.json: not all runs are done; go on with --resume"),
        ({"complete": True}, PLACE, FileAccessError, "inits.json: it is not a document of a benchmark"),
        (told("inits"), PLACE.replace("<!-- end", "<!--"), SpecError, "table inits needs one beginning and one end"),
        (told("inits"), "# Title\n", SpecError, "has no tables of benchmarks"),
    ],
)
def test_what_is_no_table_is_refused(
    tmp_path: Path, document: dict[str, Any], text: str, error: type[Exception], message: str
) -> None:
    (tmp_path / "inits.json").write_text(json.dumps(document), "utf-8")
    (tmp_path / "README.md").write_text(text, "utf-8")
    with pytest.raises(error, match=message):
        write(tmp_path / "README.md", tmp_path, check=False)
    assert (tmp_path / "README.md").read_text("utf-8") == text


def test_tables_of_the_readme_are_those_of_the_benchmarks() -> None:
    """After a benchmark has been run anew: `inr bench readme`."""
    root = Path(__file__).parents[3]
    assert write(root / "README.md", root / "docs" / "benchmarks", check=True)
