"""Tallies in the shape of Triton's statistics extension."""

from pydantic import ConfigDict

from service.runtime.statistics import Duration, Tally
from service.schemas.base import Answer

__all__ = ["Statistic", "StatisticsAnswer", "statistic"]


class Timed(Answer):
    count: int
    ns: int
    """Together."""


class InferStatistics(Answer):
    """Requests, and where the time of the successful ones went."""

    success: Timed
    fail: Timed
    queue: Timed
    compute_input: Timed
    compute_infer: Timed
    compute_output: Timed
    cache_hit: Timed
    """Always 0: nothing is cached."""
    cache_miss: Timed


class BatchStatistics(Answer):
    """Runs of one size."""

    batch_size: int
    compute_infer: Timed


class Statistic(Answer):
    """One version of a model."""

    name: str
    version: str
    last_inference: int
    """Milliseconds since 1970; 0 where there was none."""
    inference_count: int
    """Rows of batches, and texts."""
    execution_count: int
    """Runs of the graph; of texts, which share their runs, those that were written."""
    inference_stats: InferStatistics
    batch_stats: list[BatchStatistics]


class StatisticsAnswer(Answer):
    """What became of inferences over `/v2` in this worker process, since it started."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model_stats": [
                        {
                            "name": "resnet-cifar10",
                            "version": "1",
                            "last_inference": 1764000000000,
                            "inference_count": 3,
                            "execution_count": 3,
                            "inference_stats": {
                                "success": {"count": 1, "ns": 9_100_000},
                                "fail": {"count": 0, "ns": 0},
                                "queue": {"count": 1, "ns": 100_000},
                                "compute_input": {"count": 1, "ns": 200_000},
                                "compute_infer": {"count": 1, "ns": 8_400_000},
                                "compute_output": {"count": 1, "ns": 50_000},
                                "cache_hit": {"count": 0, "ns": 0},
                                "cache_miss": {"count": 0, "ns": 0},
                            },
                            "batch_stats": [
                                {
                                    "batch_size": 1,
                                    "compute_infer": {"count": 3, "ns": 8_400_000},
                                }
                            ],
                        }
                    ]
                }
            ]
        }
    )

    model_stats: list[Statistic]


def statistic(key: tuple[str, int], tally: Tally) -> Statistic:
    """What was counted of the version `key`."""
    none = Timed(count=0, ns=0)
    return Statistic(
        name=key[0],
        version=str(key[1]),
        last_inference=tally.last_ms,
        inference_count=tally.inferences,
        execution_count=tally.executions,
        inference_stats=InferStatistics(
            success=_timed(tally.success),
            fail=_timed(tally.fail),
            queue=_timed(tally.queue),
            compute_input=_timed(tally.compute_input),
            compute_infer=_timed(tally.compute_infer),
            compute_output=_timed(tally.compute_output),
            cache_hit=none,
            cache_miss=none,
        ),
        batch_stats=[
            BatchStatistics(batch_size=rows, compute_infer=_timed(runs))
            for rows, runs in sorted(tally.batches.items())
        ],
    )


def _timed(duration: Duration) -> Timed:
    return Timed(count=duration.count, ns=duration.ns)
