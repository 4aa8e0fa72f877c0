"""What a build is told about this machine, the same for docker and buildah (pure)."""

import re


def declared(dockerfile: str) -> set[str]:
    """Return the build arguments that a Dockerfile declares."""
    return set(re.findall(r"^ARG\s+(\w+)", dockerfile, re.MULTILINE))


def offered(dockerfile: str, values: dict[str, str]) -> list[str]:
    """Return `--build-arg` options for the values that the Dockerfile declares."""
    names = sorted(declared(dockerfile) & values.keys())
    return [word for name in names for word in ("--build-arg", f"{name}={values[name]}")]
