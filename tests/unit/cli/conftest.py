"""`pytest tests/unit/cli --update-golden` rewrites the files of testdata/; review the difference before a commit."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "testdata"


def pytest_addoption(parser: pytest.Parser) -> None:
    with suppress(ValueError):  # tests/golden has the same option
        parser.addoption("--update-golden", action="store_true", help="rewrite the golden files")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with the file on record."""
    update = bool(request.config.getoption("--update-golden", default=False))

    def compare(name: str, text: str) -> None:
        path = FOLDER / f"{name.replace(' ', '-')}.txt"
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        assert path.read_text() == f"{text}\n", f"{path.name}: review, then pytest tests/unit/cli --update-golden"

    return compare
