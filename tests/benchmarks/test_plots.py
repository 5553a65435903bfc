"""A backlog that comes and goes is seen to come and go."""

import xml.etree.ElementTree as ET

from benchmarks import plots

SAMPLES = [(0.5, 0), (10.0, 5), (20.0, 100), (30.0, 50), (40.0, 0)]


def test_the_text_shows_the_highest_value_where_it_was() -> None:
    lines = plots.text(SAMPLES, 10.0, 20.0).splitlines()
    top, bottom = lines[0], lines[plots.ROWS - 1]
    assert top.startswith("    100 │")
    assert top.count("█") == 18  # from the sample at 20 s until the one at 30 s
    assert bottom.index("█") == top.index("█")
    assert lines[-2].count("^") == 18
    assert lines[-1].split() == ["0", "s", "40", "s"]


def test_the_picture_is_svg_with_a_point_per_sample() -> None:
    picture = ET.fromstring(plots.svg(SAMPLES, 10.0, 20.0, "Backlog"))  # noqa: S314  our own text
    (curve,) = picture.iter("{http://www.w3.org/2000/svg}polyline")
    assert len(curve.attrib["points"].split()) == len(SAMPLES)
