"""What the benchmark of codecs says about points that were made up."""

from dataclasses import replace
from typing import Any

import pytest

from inr.bench.codec.compare import (
    beaten_points,
    common,
    compare,
    compare_published,
    mean_points,
    mean_rates,
    median_seconds,
)
from inr.bench.codec.measure import Found
from inr.bench.codec.points import Point
from inr.bench.codec.published import Published, Table
from inr.bench.codec.report import Told, document, panels, text

QUALITIES = (28.0, 32.0, 36.0, 40.0)


def point(codec: str, picture: str, value: float, bpp: float, psnr: float, **changes: Any) -> Point:
    measures = {"bytes": round(bpp * 8000), "bpp": bpp, "psnr": psnr, "ssim": 1 - 10 ** (-psnr / 20), "ms_ssim": None}
    settings = {"version": "1", "settings": "usual", "parameter": "q", "threads": 1, "outcome": "done"}
    return Point(picture, "0", 320, 200, 3, "uint8", codec, value=value, **{**settings, **measures, **changes})


def points(codec: str, picture: str, factor: float, first: float = 0.0, **changes: Any) -> list[Point]:
    """Points whose rate grows by half with each dB, times a factor, with qualities moved up."""
    return [
        point(codec, picture, i, factor * 0.1 * 1.5 ** (psnr - 28), psnr, **changes)
        for i, psnr in enumerate(quality + first for quality in QUALITIES)
    ]


def told(found: list[Point], **changes: Any) -> Told:
    return Told({}, Found(found, [], complete=True), ["own"], ["rival"], **changes)


def test_the_mean_is_that_of_the_pictures() -> None:
    found = points("own", "a", 0.7) + points("rival", "a", 1.0) + points("own", "b", 0.9) + points("rival", "b", 1.0)
    means = {mean.metric: mean for mean in mean_rates(compare(found, ["own"], ["rival"]))}
    for metric in ("psnr", "ssim"):
        assert means[metric].percent == pytest.approx(-20)
        assert (means[metric].pictures, means[metric].small, means[metric].missing) == (2, (), ())
    assert means["ms_ssim"].percent is None
    assert means["ms_ssim"].missing == ("a", "b")
    (line,) = [line for line in text(told(found)).splitlines() if line.startswith("| own against rival")]
    assert [cell.strip() for cell in line.split("|")[2:-1]] == ["-20.0 %", "-20.0 %", "-", "2"]


def test_what_is_shaky_is_said() -> None:
    """Little in common on one picture, nothing on another, and one whose rate falls as its quality grows."""
    found = points("own", "a", 1.0) + points("rival", "a", 1.0, first=8.0)
    found += points("own", "b", 1.0) + points("rival", "b", 1.0, first=13.0)
    worse = [point("own", "c", 0, 0.2, 30.0), point("own", "c", 1, 0.1, 33.0), point("own", "c", 2, 0.3, 36.0)]
    found += [*worse, *points("rival", "c", 1.0)]
    (by_psnr,) = [mean for mean in mean_rates(compare(found, ["own"], ["rival"])) if mean.metric == "psnr"]
    assert (by_psnr.pictures, by_psnr.small, by_psnr.missing) == (2, ("a",), ("b",))
    assert [p.value for p in beaten_points(found, "own", "c")] == [0]
    said = text(told(found))
    assert "- own against rival by PSNR, SSIM: both reach less than 50% of its range on a." in said
    assert "- own on c: left out of its curve, as another point is smaller and has a PSNR as high: lambda 0." in said
    assert "not two points of which none beats the other on b." in said


def test_what_failed_was_left_out_or_is_mixed_is_said() -> None:
    found = points("own", "a", 1.0, build="one") + points("own", "b", 1.0, build="two")
    found[1] = replace(found[1], outcome="failed", reason="no memory", bytes=None, bpp=None, psnr=None)
    report = Told({}, Found(found, [("rival", "a", "it is gray")], complete=False), ["own"], ["rival"])
    said = text(report)
    assert "- rival left out on a: it is gray." in said
    assert "- own at q 1 failed on a: no memory." in said
    assert "- own: points of 2 builds of the coder are mixed: one, two." in said
    assert "- The run was interrupted: points are missing." in said
    whole = document(report)
    assert whole["complete"] is False
    assert [one["reason"] for one in whole["failed"]] == ["no memory"]
    assert whole["codecs"][0]["points"] == 8
    assert whole["codecs"][0]["failed"] == 1


def test_means_and_curves_are_of_pictures_that_have_all_points() -> None:
    found = (
        points("own", "a", 1.0) + points("rival", "a", 2.0) + points("own", "b", 3.0) + points("rival", "b", 2.0)[:3]
    )
    assert common(found, ["own", "rival"]) == ["a"]
    assert [row.bpp for row in mean_points(found, "own", ["a", "b"])] == pytest.approx(
        [2 * p.bpp for p in found[:4] if p.bpp is not None]
    )
    assert {row.pictures for row in mean_points(found, "rival", ["a", "b"])} == {1}
    drawn = panels(told(found))
    assert list(drawn) == ["a"]
    assert list(drawn["a"]["own"].y) == list(QUALITIES)
    assert list(drawn["a"]["rival"].x) == pytest.approx([0.2, 0.2 * 1.5**4, 0.2 * 1.5**8])  # the rest is beyond


def test_a_published_codec_is_compared_by_picture() -> None:
    theirs = [Published("a", str(i), 0.125 * 1.5 ** (psnr - 28), psnr) for i, psnr in enumerate((*QUALITIES, 44.0))]
    table = Table("theirs", {"a": theirs})
    compared, at = compare_published(points("own", "a", 1.0) + points("own", "b", 1.0), ["own"], table)
    (one,) = compared
    assert one.difference is not None
    assert one.difference.percent == pytest.approx(-20)
    assert [row.bpp for row in at[:4]] == pytest.approx([0.8 * row.theirs for row in at[:4]])
    assert at[4].bpp is None
    own = points("own", "a", 1.0)
    assert list(panels(told(own, published=table))["a"]["theirs (published)"].x) == [p.bpp for p in theirs]
    both = points("own", "b", 1.0) + own
    assert list(panels(told(both, published=table))["mean of 2 pictures"]) == ["own"]  # theirs have nothing of b
    assert "| a" in text(told(points("own", "a", 1.0), published=table)).split("bpp at the PSNR of theirs")[1]


def test_times_are_medians_of_what_was_timed() -> None:
    found = [
        point("own", "a", i, 1.0, 30.0 + i, encode_s=seconds, decode_s=None if seconds is None else seconds / 10)
        for i, seconds in enumerate([1.0, None, 9.0, 2.0])
    ]
    encode_s, decode_s = median_seconds(found, "own")
    assert (encode_s, decode_s) == (2.0, 0.2)
    assert median_seconds(found, "rival") == (None, None)
