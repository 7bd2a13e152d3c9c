from bench.conda.held import measure


def test_locks_are_looked_up_in_a_small_ledger(tmp_path):
    (row,) = measure(tmp_path / "held", 5)
    assert row.value > 0
    assert (row.unit, row.goal, row.better) == ("ms", 100, "lower")
    assert "5 locks" in row.name
