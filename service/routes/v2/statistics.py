"""Inference statistics in the format of Triton's statistics extension."""

from service.runtime.statistics import ModelCounters, StatisticDuration
from service.schemas.base import ResponseModel, example


class DurationStatistics(ResponseModel):
    count: int
    ns: int
    """Total duration in nanoseconds."""


class InferStatistics(ResponseModel):
    """Counts of requests, and durations of the phases of successful ones."""

    success: DurationStatistics
    fail: DurationStatistics
    queue: DurationStatistics
    compute_input: DurationStatistics
    compute_infer: DurationStatistics
    compute_output: DurationStatistics
    cache_hit: DurationStatistics
    """Always 0: nothing is cached."""
    cache_miss: DurationStatistics


class BatchStatistics(ResponseModel):
    """Runs of one size."""

    batch_size: int
    compute_infer: DurationStatistics


class ModelStatistics(ResponseModel):
    """One version of a model."""

    name: str
    version: str
    last_inference: int
    """Milliseconds since 1970; 0 before the first inference."""
    inference_count: int
    """Rows of batches, and texts."""
    execution_count: int
    """Runs of the graph. For texts, which share runs, the number of texts."""
    inference_stats: InferStatistics
    batch_stats: list[BatchStatistics]


class StatisticsResponse(ResponseModel):
    """Statistics of inferences over `/v2` since the process started."""

    model_config = example(
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
    )

    model_stats: list[ModelStatistics]


def build_model_statistics(model_key: tuple[str, int], counters: ModelCounters) -> ModelStatistics:
    """Return the statistics of the version `model_key`."""
    zero = DurationStatistics(count=0, ns=0)
    return ModelStatistics(
        name=model_key[0],
        version=str(model_key[1]),
        last_inference=counters.last_inference_ms,
        inference_count=counters.inferences,
        execution_count=counters.executions,
        inference_stats=InferStatistics(
            success=_to_duration(counters.success),
            fail=_to_duration(counters.fail),
            queue=_to_duration(counters.queue),
            compute_input=_to_duration(counters.compute_input),
            compute_infer=_to_duration(counters.compute_infer),
            compute_output=_to_duration(counters.compute_output),
            cache_hit=zero,
            cache_miss=zero,
        ),
        batch_stats=[
            BatchStatistics(batch_size=rows, compute_infer=_to_duration(runs))
            for rows, runs in sorted(counters.batch_stats.items())
        ],
    )


def _to_duration(duration: StatisticDuration) -> DurationStatistics:
    return DurationStatistics(count=duration.count, ns=duration.ns)
