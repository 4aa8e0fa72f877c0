"""One repository of the corpus: what is in it, and what must be said of it."""

from collections.abc import Callable
from dataclasses import dataclass

from model_runtime.errors import PermanentError
from model_runtime.verify import Task

Files = dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Bad:
    """A repository that must be refused for this reason, in a message with these words; `files` makes it."""

    sentence: str
    files: Callable[[], Files]
    reason: type[PermanentError]
    says: str
    task: Task = Task.CHAT


@dataclass(frozen=True, slots=True)
class Good:
    """A repository that must pass, for this task, and that the engine must then load."""

    sentence: str
    files: Callable[[], Files]
    task: Task = Task.CHAT
