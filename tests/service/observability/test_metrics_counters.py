from service.observability.metrics.counters import Histogram, MetricCounters, Samples, add_samples
from service.observability.metrics.definitions import METRICS


def test_a_value_falls_into_the_first_bucket_whose_end_it_does_not_exceed() -> None:
    histogram = Histogram((1.0, 2.0, 4.0))
    for value in (0.5, 1.0, 1.5, 4.0, 9.0):
        histogram.observe(value)
    assert histogram.values == [2, 1, 1, 1, 16.0]


def test_a_value_can_be_observed_many_times_at_once() -> None:
    histogram = Histogram((1.0,))
    histogram.observe(2.0, times=5)
    assert histogram.values == [0, 5, 10.0]


def test_samples_are_a_copy() -> None:
    tallies = MetricCounters()
    tallies.observe("deepshelf_batch_size", 3)
    before = tallies.samples()
    tallies.observe("deepshelf_batch_size", 3)
    tallies.increment("deepshelf_cancelled", "/v1/text")
    assert sum(before["deepshelf_batch_size"][()][:-1]) == 1
    assert before["deepshelf_cancelled"] == {}


def test_counters_add_up_and_the_state_of_the_shelf_does_not() -> None:
    one: Samples = {
        "deepshelf_workers": {(): [1]},
        "deepshelf_models": {("ready",): [6], ("failed",): [0]},
        "deepshelf_cancelled": {("/v1/text",): [2]},
    }
    two: Samples = {
        "deepshelf_workers": {(): [1]},
        "deepshelf_models": {("ready",): [5], ("failed",): [1]},
        "deepshelf_cancelled": {("/v1/text",): [3], ("/v1/classify",): [1]},
        "of another version": {(): [1]},
    }
    total: Samples = {}
    add_samples(total, one)
    add_samples(total, two)
    assert total == {
        "deepshelf_workers": {(): [2]},
        "deepshelf_models": {("ready",): [6], ("failed",): [1]},
        "deepshelf_cancelled": {("/v1/text",): [5], ("/v1/classify",): [1]},
    }
    assert one["deepshelf_workers"] == {(): [1]}


def test_every_histogram_has_rising_bounds_and_nothing_else_has_any() -> None:
    for family in METRICS.values():
        assert list(family.bounds) == sorted(set(family.bounds))
        assert bool(family.bounds) == (family.kind == "histogram")
        assert family.name.startswith("deepshelf_")
        assert not family.name.endswith("_total")
