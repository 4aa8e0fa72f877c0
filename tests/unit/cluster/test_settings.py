"""What the components are told, which back end is chosen, what is said while one waits, and when one starts again."""

import tomllib
from pathlib import Path

import pytest

from tests.cluster.backends import choose
from tests.cluster.commands import failure_line
from tests.cluster.embedded import settings
from tests.cluster.embedded.api import path_of
from tests.cluster.embedded.certificates import identities
from tests.cluster.embedded.components import components, kwok
from tests.cluster.embedded.dns import is_answer, question
from tests.cluster.embedded.layout import make_layout
from tests.cluster.embedded.stages import stage_file
from tests.cluster.embedded.supervisor import next_pause
from tests.cluster.errors import ClusterError
from tests.cluster.progress import Progress, estimate, read_durations, spoken

LAYOUT = make_layout("nereid", Path("/state"))
NAMES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kwok")
PROGRAMS = {name: Path(f"/bin/{name}") for name in NAMES}


def test_every_flag_is_one_word_with_its_value():
    for component in (*components(LAYOUT, PROGRAMS), kwok(LAYOUT, PROGRAMS)):
        assert all(word.startswith("--") and "=" in word for word in component.command[1:]), component.name


def test_kwok_plays_only_nodes_with_its_annotation():
    assert "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake" in kwok(LAYOUT, PROGRAMS).command
    assert '"kind": "Stage"' in stage_file()


@pytest.mark.parametrize("may", [True, False], ids=["with CAP_SYS_RESOURCE", "without CAP_SYS_RESOURCE"])
def test_containerd_lowers_oom_scores_only_where_it_may(may):
    config = tomllib.loads(settings.containerd(LAYOUT, Path("/state/containerd"), may_raise_limits=may))
    assert config["plugins"]["io.containerd.grpc.v1.cri"]["restrict_oom_score_adj"] is not may


def test_the_kubelet_speaks_as_its_node():
    (kubelet,) = [identity for identity in identities(LAYOUT) if identity.file == "kubelet"]
    assert kubelet.subject == "/O=system:nodes/CN=system:node:nereid-node"
    assert settings.kubelet(LAYOUT)["cgroupRoot"] == "/nereid"


@pytest.mark.parametrize(
    ("asked", "docker", "chosen"),
    [
        (None, True, "kind"),
        (None, False, "embedded"),
        ("embedded", True, "embedded"),
        ("existing", False, "existing"),
    ],
)
def test_the_back_end_is_what_was_asked_for_else_what_the_machine_has(asked, docker, chosen):
    assert choose(asked, docker=docker) == chosen


def test_an_unknown_back_end_is_named_with_those_there_are():
    with pytest.raises(ClusterError, match="'minikube': one of kind, embedded, existing"):
        choose("minikube", docker=False)


@pytest.mark.parametrize(
    ("pause", "ran", "after"),
    [(0.2, 0.1, 0.4), (6.4, 1, 10.0), (10.0, 1, 10.0), (10.0, 30, 0.2)],
    ids=["doubles", "is bounded", "stays at the bound", "starts over after a steady run"],
)
def test_the_pause_before_a_restart(pause, ran, after):
    assert next_pause(pause, ran) == after


def test_an_estimate_prefers_what_was_measured_here():
    assert estimate(["kubelet", "kwok"], {"kwok": 9.0}) == 52 + 9


@pytest.mark.parametrize(("seconds", "text"), [(7.6, "8 s"), (59.4, "59 s"), (208, "3 min 28 s")])
def test_durations_are_told_to_people(seconds, text):
    assert spoken(seconds) == text


def test_a_step_says_how_far_it_is_and_is_remembered(tmp_path, capsys):
    progress = Progress("building", ["kubelet", "kwok"], tmp_path / "durations.json")
    with progress.step("kubelet"):
        pass
    assert "[1/2] building: kubelet, about 52 s of 2 min 3 s left" in capsys.readouterr().out
    assert set(read_durations(tmp_path / "durations.json")) == {"kubelet"}


def test_a_failure_is_one_line():
    line = failure_line(["go", "build", "x"], 1, "a\nb\nc\nd\n")
    assert line == "go build x ended with 1: b | c | d"


def test_paths_of_objects():
    assert path_of("Deployment", "a", "b") == "/apis/apps/v1/namespaces/b/deployments/a"
    assert path_of("Node", "n") == "/api/v1/nodes/n"


@pytest.mark.parametrize(
    ("reply", "answers"),
    [
        (b"\x12\x34\x81\x80\0\1\0\1\0\0\0\0", True),
        (b"\x12\x34\x81\x83\0\1\0\0\0\0\0\0", False),
        (b"\x12\x35\x81\x80\0\1\0\1\0\0\0\0", False),
        (b"\x12", False),
    ],
    ids=["an address", "no such name", "a reply to another question", "a cut reply"],
)
def test_only_a_reply_with_an_address_counts(reply, answers):
    assert is_answer(reply, 0x1234) is answers


def test_a_question_carries_the_name_as_labels():
    assert b"\x01a\x02bc\0\0\1\0\1" in question("a.bc", 1)
