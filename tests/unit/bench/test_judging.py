"""The benchmark of judging, on a corpus of two projects: the same each time, and every figure can be taken."""

from bench.judging import measures
from bench.judging.corpus import make_corpus
from tests.advisories import CRITICAL, imported, osv


def _corpus(monkeypatch):
    from bench.judging import corpus

    monkeypatch.setattr(corpus, "_QUIET", 300)
    return make_corpus(imported(osv("GHSA-1", "django", aliases=["CVE-2026-1"], vector=CRITICAL), now=corpus.NOW), 2)


def test_the_corpus_is_the_same_every_time(monkeypatch):
    one, other = _corpus(monkeypatch), _corpus(monkeypatch)
    assert [artifact.sha256 for artifact in one.artifacts] == [artifact.sha256 for artifact in other.artifacts]
    assert len(one.artifacts) == 2 * 301


def test_every_figure_of_evaluation_is_taken(monkeypatch):
    rows = measures.measure_evaluation(_corpus(monkeypatch))
    assert [row.name for row in rows if row.goal] == ["evaluation, without CEL"]
    assert all(row.value > 0 for row in rows)


def test_an_advisory_leads_to_every_image_of_the_corpus(monkeypatch):
    monkeypatch.setattr(measures, "_LOCKS", 20)
    monkeypatch.setattr(measures, "_PACKAGES", 5)
    again, asked, _ = measures.measure_rejudging(_corpus(monkeypatch))
    assert "20 locks concerned" in again.note
    assert asked.note == "CVE-2026-1: 20 images"
