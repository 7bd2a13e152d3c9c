"""``images/sklearn-conda``, for real: asked for, solved, inspected, judged, approved, locked, built, gated, delivered, run."""


def test_it_is_delivered(line):
    assert line.status["state"] == "delivered"
