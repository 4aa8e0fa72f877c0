"""What registries ask for, in the forms in which they do, and what token services answer."""

import pytest

from model_runtime.errors import SourceUnauthorized
from model_runtime.fetch.registry_login import Challenge, read_challenge, read_token

CHALLENGES: dict[str, tuple[list[str], Challenge | None]] = {
    "a token": (
        ['Bearer realm="https://auth.example.com/token",service="registry",scope="repository:a:pull"'],
        Challenge(wants_token=True, realm="https://auth.example.com/token", service="registry"),
    ),
    "a user": (['Basic realm="models"'], Challenge(wants_token=False, realm="models", service="")),
    "small letters and spaces": (
        ['bearer  Realm = "https://a/t" , SERVICE = "s"'],
        Challenge(wants_token=True, realm="https://a/t", service="s"),
    ),
    "both in two headers": (
        ['Basic realm="models"', 'Bearer realm="https://a/t"'],
        Challenge(wants_token=True, realm="https://a/t", service=""),
    ),
    "both in one header": (
        ['Basic realm="models", Bearer realm="https://a/t",service="s"'],
        Challenge(wants_token=True, realm="https://a/t", service="s"),
    ),
    "commas inside of quotes": (
        ['Bearer realm="https://a/t",scope="repository:a:pull,push",service="s"'],
        Challenge(wants_token=True, realm="https://a/t", service="s"),
    ),
    "a user without a realm": (["Basic"], Challenge(wants_token=False, realm="", service="")),
    "something else": (["Negotiate"], None),
    "nothing": ([], None),
}


@pytest.mark.parametrize(("headers", "challenge"), CHALLENGES.values(), ids=CHALLENGES.keys())
def test_challenges_are_read(headers: list[str], challenge: Challenge | None):
    assert read_challenge(headers) == challenge


@pytest.mark.parametrize("answer", [b'{"token": "abc"}', b'{"access_token": "abc", "expires_in": 300}'])
def test_both_names_of_a_token_are_known(answer: bytes):
    assert read_token("https://a", answer) == "abc"


NO_TOKENS = {
    "no JSON": b"secret",
    "a list": b'["secret"]',
    "no token": b'{"secret": "secret"}',
    "an empty token": b'{"token": ""}',
    "a token of two lines": b'{"token": "secret\\r\\nX-Evil: 1"}',
    "a number": b'{"token": 1}',
}


@pytest.mark.parametrize("answer", NO_TOKENS.values(), ids=NO_TOKENS.keys())
def test_what_is_no_token_is_refused_and_not_repeated(answer: bytes):
    with pytest.raises(SourceUnauthorized, match="expected a JSON object with a token") as refused:
        read_token("https://a", answer)
    assert "secret" not in str(refused.value)
