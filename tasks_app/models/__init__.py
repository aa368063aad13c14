"""Tasks, and the files that go into them and come out."""

from .artifact import Artifact, ArtifactKind, Purpose
from .leftover import Leftover
from .task import FINAL, Capability, Stage, Task, TaskStatus

__all__ = ["FINAL", "Artifact", "ArtifactKind", "Capability", "Leftover", "Purpose", "Stage", "Task", "TaskStatus"]
