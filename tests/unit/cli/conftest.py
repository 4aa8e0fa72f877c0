"""`pytest tests/golden tests/unit/cli --update-golden` rewrites testdata/; review the difference before a commit.

The option is that of tests/golden/conftest.py: pytest takes it once.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "testdata"


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with the file on record."""
    update = bool(request.config.getoption("--update-golden", default=False))

    def compare(name: str, text: str) -> None:
        path = FOLDER / f"{name.replace(' ', '-')}.txt"
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        assert path.read_text() == f"{text}\n", (
            f"{path.name} differs: review, then pytest tests/golden tests/unit/cli --update-golden"
        )

    return compare
