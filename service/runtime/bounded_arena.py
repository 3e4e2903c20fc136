"""Bound the memory of graphs that were made elsewhere: values may decide how much a run takes.

A request of 60 bytes can make `Expand` return an output of any size. All sessions of one
`BoundedArena` share it; other sessions have their own arenas.
"""

from functools import cache

import numpy as np
import onnxruntime as ort

_SAME_AS_REQUESTED = 1
"""Extends the arena by what is asked for, not by powers of two."""

_NEGATION = (
    b'\x08\x08:2\n\x0b\n\x01x\x12\x01y"\x03Neg\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04\n\x02'
    b"\x08\x01b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\x11"
)
"""The ONNX graph y = -x of one number."""


@cache
def bounded_arena(max_bytes: int) -> "BoundedArena":
    """Return the arena of `max_bytes` of this process; one process has use for one size."""
    return BoundedArena(max_bytes)


class BoundedArena:
    """An arena of onnxruntime's environment. Safe to use from any thread."""

    def __init__(self, max_bytes: int) -> None:
        info = ort.OrtMemoryInfo(
            "Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT
        )
        config = {"max_mem": max_bytes, "arena_extend_strategy": _SAME_AS_REQUESTED}
        # Sessions that are made later use the arena registered last.
        ort.create_and_register_allocator(info, ort.OrtArenaCfg(config))
        options = ort.SessionOptions()
        self.add_to(options)
        # The first region is never released, so this one is small.
        self._negation = ort.InferenceSession(
            _NEGATION, options, providers=["CPUExecutionProvider"]
        )
        self.release_unused()

    def add_to(self, options: ort.SessionOptions) -> None:
        """Let a session with these options use the arena, except for its weights."""
        options.add_session_config_entry("session.use_env_allocators", "1")
        options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")

    def is_full(self, error: Exception) -> bool:
        """Return True if a run failed because the arena has no room for what it needs."""
        return "Available memory of" in str(error)

    def release_unused(self) -> None:
        """Return free regions to the system: a larger one may not fit beside them."""
        options = ort.RunOptions()
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self._negation.run(None, {"x": np.zeros(1, np.float32)}, options)
