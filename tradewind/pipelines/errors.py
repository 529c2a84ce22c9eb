"""What can go wrong in a pipeline."""

from __future__ import annotations


class PipelineError(Exception):
    """A pipeline cannot be built as it is written; one sentence."""


class StepFailed(Exception):  # noqa: N818  the name says what is the case
    """A step came to no value: `step` is its name, `pipeline` the pipeline's. The cause of the user's own error, or raised itself when there is none."""

    def __init__(self, pipeline: str, step: str, why: str) -> None:
        super().__init__(pipeline, step, why)
        self.pipeline, self.step, self.why = pipeline, step, why

    def __str__(self) -> str:
        return f"step {self.step} of pipeline {self.pipeline} failed: {self.why}"
