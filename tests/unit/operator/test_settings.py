"""Settings from the environment; a bad one names variable, value and what would be right."""

import pytest

from nereid_operator.errors import SettingsError
from nereid_operator.plan.ir import CaBundle, Image, Network, Platform, Proxy
from nereid_operator.settings import GatewaySettings, Settings, from_env

IMAGE = {"NEREID_MODEL_RUNTIME_IMAGE": "nereid.dev/model-runtime:1"}
OPEN_NAMESPACE = Network("default", ({"podSelector": {}},))
WRONG = {
    "no image": ({}, ("NEREID_MODEL_RUNTIME_IMAGE", "''", "must name an image")),
    "a port that is no number": (
        {**IMAGE, "NEREID_HTTP_PORT": "http"},
        ("NEREID_HTTP_PORT", "'http'", "from 1 to 65535"),
    ),
    "no concurrency": ({**IMAGE, "NEREID_CONCURRENCY": "0"}, ("NEREID_CONCURRENCY", "'0'", "from 1 to 256")),
    "a policy of another spelling": ({**IMAGE, "NEREID_IMAGE_PULL_POLICY": "always"}, ("'always'", "IfNotPresent")),
    "a Lease of no time": ({**IMAGE, "NEREID_LEASE_SECONDS": "0"}, ("NEREID_LEASE_SECONDS", "'0'", "from 1 to 3600")),
    "a pod's name in capitals": ({**IMAGE, "NEREID_POD_NAME": "Nereid-0"}, ("NEREID_POD_NAME", "'Nereid-0'", "lower")),
    "a proxy with a password": (
        {**IMAGE, "NEREID_HTTPS_PROXY": "http://me:secret@proxy:3128"},
        ("NEREID_HTTPS_PROXY", "http://<host>:<port>", "without user and password"),
    ),
    "a proxy of another kind": (
        {**IMAGE, "NEREID_HTTP_PROXY": "socks5://proxy:1080"},
        ("NEREID_HTTP_PROXY", "http://"),
    ),
    "a proxy without a scheme": ({**IMAGE, "NEREID_HTTP_PROXY": "proxy:3128"}, ("NEREID_HTTP_PROXY", "http://")),
    "a bundle in capitals": (
        {**IMAGE, "NEREID_CA_BUNDLE_CONFIG_MAP": "Roots"},
        ("NEREID_CA_BUNDLE_CONFIG_MAP", "'Roots'"),
    ),
    "a bundle's key with a slash": (
        {**IMAGE, "NEREID_CA_BUNDLE_CONFIG_MAP": "roots", "NEREID_CA_BUNDLE_KEY": "a/b"},
        ("NEREID_CA_BUNDLE_KEY", "'a/b'", "such as ca.crt"),
    ),
    "a pull secret that is no name": (
        {**IMAGE, "NEREID_IMAGE_PULL_SECRETS": "registry,My_Key"},
        ("NEREID_IMAGE_PULL_SECRETS", "'My_Key'", "Secrets separated by commas"),
    ),
    "a namespace with a dot": ({**IMAGE, "NEREID_WATCH_NAMESPACES": "a,b.c"}, ("NEREID_WATCH_NAMESPACES", "'b.c'")),
    "clients of the network that are no JSON": (
        {**IMAGE, "NEREID_NETWORK_CLIENTS": "all"}, ("NEREID_NETWORK_CLIENTS", "'all'", "JSON list of peers")),
    "clients of the network that are no list": ({**IMAGE, "NEREID_NETWORK_CLIENTS": "{}"}, ("'{}'",)),
    "a client of the network that is everybody": ({**IMAGE, "NEREID_NETWORK_CLIENTS": "[{}]"}, ("'[{}]'",)),
    "a client of the network with an unknown field": ({**IMAGE, "NEREID_NETWORK_CLIENTS": '[{"pods": {}}]'}, ("pods",)),
    "an address range and pods in one client": (
        {**IMAGE, "NEREID_NETWORK_CLIENTS": '[{"ipBlock": {"cidr": "::/0"}, "podSelector": {}}]'}, ("alone",)),
    "an image of vLLM that is none": ({**IMAGE, "NEREID_VLLM_IMAGE": "-x"}, ("NEREID_VLLM_IMAGE", "'-x'", "empty")),
    "a gateway that is neither there nor not": (
        {**IMAGE, "NEREID_GATEWAY_ENABLED": "yes"}, ("NEREID_GATEWAY_ENABLED", "'yes'", "false, true")),
    "a certificate to be made without a Secret": (
        {**IMAGE, "NEREID_GATEWAY_ENABLED": "true", "NEREID_GATEWAY_TLS_SELF_SIGNED": "true"},
        ("NEREID_GATEWAY_TLS_SECRET", "''", "must name the Secret"),
    ),
    "a gateway's port that is none": (
        {**IMAGE, "NEREID_GATEWAY_ENABLED": "true", "NEREID_GATEWAY_PORT": "0"}, ("NEREID_GATEWAY_PORT", "'0'")),
    "a switch that is neither on nor off": ({**IMAGE, "NEREID_NETWORK_POLICY": "yes"}, ("'yes'", "true, false")),
}  # fmt: skip


def test_defaults():
    assert from_env(IMAGE) == Settings(
        Platform(Image("nereid.dev/model-runtime:1", "IfNotPresent"), network=OPEN_NAMESPACE)
    )


def test_an_empty_variable_counts_as_not_set():
    empty = dict.fromkeys(("NEREID_HTTP_PORT", "NEREID_WATCH_NAMESPACES", "NEREID_LOG_LEVEL"), "")
    assert from_env({**IMAGE, **empty}) == from_env(IMAGE)


def test_namespaces_are_a_list_with_commas():
    assert from_env({**IMAGE, "NEREID_WATCH_NAMESPACES": "team-a, team-b"}).watch_namespaces == ("team-a", "team-b")


def test_what_the_platform_says_of_every_pod():
    platform = from_env(
        {
            **IMAGE,
            "NEREID_HTTPS_PROXY": "http://proxy.example.com:3128",
            "NEREID_NO_PROXY": ".svc",
            "NEREID_CA_BUNDLE_CONFIG_MAP": "roots",
            "NEREID_IMAGE_PULL_SECRETS": "registry, mirror",
        }
    ).platform
    assert platform.proxy == Proxy(None, "http://proxy.example.com:3128", ".svc")
    assert platform.ca_bundle == CaBundle("roots", "ca.crt")
    assert platform.image_pull_secrets == ("registry", "mirror")


def test_the_image_of_vllm_is_named_or_left_out():
    image = "registry.example.com/tritonserver:25.10-vllm-python-py3"
    assert from_env({**IMAGE, "NEREID_VLLM_IMAGE": image}).platform.vllm_image == image
    assert from_env({**IMAGE, "NEREID_VLLM_IMAGE": ""}).platform.vllm_image == ""


def test_exceptions_from_no_proxy_are_no_proxy():
    assert from_env({**IMAGE, "NEREID_NO_PROXY": ".svc"}) == from_env(IMAGE)


def test_a_password_is_not_repeated():
    with pytest.raises(SettingsError) as caught:
        from_env({**IMAGE, "NEREID_HTTPS_PROXY": "http://me:secret@proxy:3128"})
    assert "secret" not in str(caught.value)


def test_the_rules_for_the_network_know_where_the_operator_runs():
    peers = '[{"namespaceSelector": {"matchLabels": {"team": "web"}}}]'
    rules = Network("nereid-system", ({"namespaceSelector": {"matchLabels": {"team": "web"}}},))
    there = {**IMAGE, "NEREID_POD_NAMESPACE": "nereid-system"}
    assert from_env({**there, "NEREID_NETWORK_CLIENTS": peers}).platform.network == rules
    assert from_env({**there, "NEREID_NETWORK_CLIENTS": "[]"}).platform.network == Network("nereid-system", ())
    assert from_env({**there, "NEREID_NETWORK_POLICY": "false"}).platform.network is None


@pytest.mark.parametrize(("environ", "words"), WRONG.values(), ids=WRONG.keys())
def test_refused(environ: dict[str, str], words: tuple[str, ...]):
    with pytest.raises(SettingsError) as caught:
        from_env(environ)
    assert all(word in str(caught.value) for word in words)


def test_a_gateway():
    told = {"NEREID_GATEWAY_ENABLED": "true", "NEREID_GATEWAY_NAME": "release"}
    plain = from_env({**IMAGE, **told}).gateway
    assert plain == GatewaySettings("release", port=8080, xds_port=18000)
    assert plain.url("ns") == "http://release-gateway.ns.svc"
    secret = {"NEREID_GATEWAY_TLS_SECRET": "front", "NEREID_GATEWAY_PORT": "8443", "NEREID_XDS_PORT": "1"}
    secured = from_env({**IMAGE, **told, **secret}).gateway
    assert secured == GatewaySettings("release", port=8443, xds_port=1, tls_secret="front")
    assert secured.url("ns") == "https://release-gateway.ns.svc"
    assert from_env({**IMAGE, **secret}).gateway is None
