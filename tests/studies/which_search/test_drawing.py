"""The drawing of three bent functions: its lines have the slopes that the searches take, and start on the curve."""

import re

import pytest

from helpers.studies.which_search.drawing import panels, three_gradients


@pytest.mark.parametrize("title", list(panels()))
def test_eap_continues_the_tangent_and_relp_a_line_of_its_own(title):
    curve, (corrupt, clean), slopes = panels()[title]
    tangent = (curve(clean + 1e-5) - curve(clean - 1e-5)) / 2e-5
    assert slopes["EAP"] == pytest.approx(tangent, rel=1e-5) and corrupt < clean
    through_zero = curve(clean) / clean
    expected = {"a norm": through_zero, "a softmax": 0.0, "an activation": through_zero}[title]
    assert slopes["RelP"] == pytest.approx(expected)


def test_gim_takes_the_softmax_at_temperature_2():
    curve, (_, clean), slopes = panels()["a softmax"]
    half = clean / 2
    assert slopes["GIM"] == pytest.approx((curve(half + 1e-5) - curve(half - 1e-5)) / 2e-5, rel=1e-5)
    assert slopes["GIM"] > 2 * slopes["EAP"]


def test_every_line_starts_where_the_curve_ends():
    pictures = three_gradients().data.split("<svg")[1:]
    assert len(pictures) == 3
    for picture, (_, _, slopes) in zip(pictures, panels().values(), strict=True):
        end = re.search(r'([\d.]+,[\d.]+)" fill="none"', picture)[1]
        lines = re.findall(r'x2="([\d.]+)" y2="([\d.]+)"', picture)
        assert {",".join(line) for line in lines} == {end} and len(lines) == len(set(slopes.values()))
        assert all(name in picture for name in slopes)
