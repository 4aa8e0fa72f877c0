"""A machine that lacks something gets one clear line and exit code 2, before anything was started."""

import collections
import os
import shutil
from pathlib import Path

import pytest

from tests.cluster.__main__ import main
from tests.cluster.commands import SYSTEM_FOLDERS

Usage = collections.namedtuple("Usage", "total used free")


@pytest.fixture
def said(capsys, monkeypatch, tmp_path):
    """Run the tool on a machine of its own and return the line that it printed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def run(*arguments: str) -> str:
        assert main(["--backend", "embedded", "--name", "bad-machine", *arguments]) == 2
        captured = capsys.readouterr()
        (line,) = captured.err.splitlines()
        return line

    return run


def test_no_root(said, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "needs root: run it with sudo" in said("up")


def test_no_go(said, monkeypatch, tmp_path):
    _only_programs(monkeypatch, tmp_path, {})
    monkeypatch.setattr("tests.cluster.gobinaries._GO_IN_VENV", tmp_path / "no-go")
    assert "go is not installed: Go 1.2" in said("binaries")


def test_an_old_go(said, monkeypatch, tmp_path):
    _only_programs(monkeypatch, tmp_path, {"go": "#!/bin/sh\necho go1.19.8\n"})
    line = said("binaries")
    assert "is go1.19.8, but Go 1.2" in line


def test_a_full_disk(said, monkeypatch, tmp_path):
    _only_programs(monkeypatch, tmp_path, {"go": "#!/bin/sh\necho go1.99.0\n"})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 10**12, 2**30))
    assert "building Kubernetes needs 10 GiB" in said("binaries")
    assert "1.0 GiB are free" in said("binaries")


def test_load_without_a_cluster(said):
    assert "the cluster is down: run `up` first" in said("load", "nereid.dev/operator:0.1.0")


def _only_programs(monkeypatch: pytest.MonkeyPatch, folder: Path, scripts: dict[str, str]) -> None:
    """Let the machine have no other programs than these."""
    for name, text in scripts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    real = {"PATH": str(folder)}
    assert str(folder) not in SYSTEM_FOLDERS
    monkeypatch.setattr("tests.cluster.commands.environment", lambda extra=None: {**real, **(extra or {})})
