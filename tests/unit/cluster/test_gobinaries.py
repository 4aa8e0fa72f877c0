"""What a go.mod says is to be built, and when a build is another one."""

import pytest

from tests.cluster.gobinaries import Module, cache_key, modules, parse_module, parse_version

GO_MOD = """module example

go 1.25.0

require (
	k8s.io/kubernetes v1.34.4
)

tool (
	k8s.io/kubernetes/cmd/kubelet
	k8s.io/kubernetes/cmd/kube-proxy
)
"""


def test_tools_version_and_stamp_are_read_from_go_mod():
    module = parse_module("kubernetes", GO_MOD)
    assert module.programs == {
        "kubelet": "k8s.io/kubernetes/cmd/kubelet",
        "kube-proxy": "k8s.io/kubernetes/cmd/kube-proxy",
    }
    assert module.go_version == (1, 25, 0)
    assert module.flags[-1] == "-s -w -X k8s.io/component-base/version.gitVersion=v1.34.4"


def test_a_single_tool_line_is_read_and_nothing_is_stamped():
    module = parse_module("kwok", "module x\n\ngo 1.26\n\ntool sigs.k8s.io/kwok/cmd/kwok\n")
    assert module.tools == ("sigs.k8s.io/kwok/cmd/kwok",)
    assert module.flags[-1] == "-s -w"


def test_the_committed_modules_build_what_the_cluster_runs():
    programs = {program for module in modules() for program in module.programs}
    assert programs == {
        *("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubelet"),
        *("coredns", "kwok", "local-path-provisioner", "registry", "versitygw"),
    }


@pytest.mark.parametrize(
    ("text", "version"), [("go1.26.8", (1, 26, 8)), ("1.25.0", (1, 25, 0)), ("go1.27rc1", (1, 27, 1))]
)
def test_versions_are_compared_as_numbers(text, version):
    assert parse_version(text) == version


@pytest.mark.parametrize("changed", ["go.mod", "go.sum", "flags", "go"])
def test_whatever_decides_the_build_changes_its_key(changed):
    parts = {"go.mod": b"a", "go.sum": b"b", "flags": "c", "go": "d"}
    other = {**parts, changed: b"x" if isinstance(parts[changed], bytes) else "x"}
    assert _key(parts) != _key(other)
    assert _key(parts) == _key(dict(parts))


def test_moving_text_from_one_part_to_the_next_changes_the_key():
    module = Module("m", (), (), ())
    assert cache_key(module, b"ab", b"c", "d") != cache_key(module, b"a", b"bc", "d")


def _key(parts):
    return cache_key(Module("m", (), (), (parts["flags"],)), parts["go.mod"], parts["go.sum"], parts["go"])
