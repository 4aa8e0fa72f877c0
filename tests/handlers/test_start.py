"""The operator starts where it has to run: in a container whose user has no entry in the password database."""

import getpass

from tests.handlers.test_life_of_a_model import Start


async def test_the_operator_starts_for_a_user_without_a_name(monkeypatch, start: Start):
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 65532")

    monkeypatch.setattr(getpass, "getuser", nobody)
    async with start() as operator:
        await operator.listening()
        assert await operator.status_of("/healthz") == 200
