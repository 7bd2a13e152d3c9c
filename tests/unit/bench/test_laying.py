"""A conda closure of the benchmark, small: it becomes an image, and each figure can be taken."""

from bench.conda.laying import measure
from bench.place import Place


def test_every_figure_can_be_taken(tmp_path):
    place = Place(home=tmp_path)
    place.work.mkdir(parents=True)
    rows = measure(place, lambda _: None, quick=True)
    assert [row.name for row in rows if row.value is None] == []
    assert len(rows) == 3
    assert rows[-1].met, rows[-1]
