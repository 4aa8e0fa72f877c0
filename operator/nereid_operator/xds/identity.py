"""Who may talk to the control plane: a client certificate bound to the gateway, and a node that says the same. Pure.

Called by server.py for the first message of every stream. That a certificate is ours and valid was checked by TLS;
here it is about whom it was made for.
"""

from dataclasses import dataclass

from cryptography import x509

NODE_CLUSTER = "nereid-gateway"


@dataclass(frozen=True, slots=True)
class Peer:
    """What is known of a client: its certificate in PEM, and the node of its first message (`<namespace>/<pod>`)."""

    certificate: bytes
    node_cluster: str
    node_id: str


def gateway_uri(namespace: str) -> str:
    """Return the URI that the certificate of the gateway in a namespace is made for."""
    return f"spiffe://nereid.dev/ns/{namespace}/gateway"


def refusal(peer: Peer, namespace: str) -> str | None:
    """Return why a client is not the gateway of the namespace, for its log and ours; None when it is."""
    wanted = gateway_uri(namespace)
    found = certificate_uris(peer.certificate)
    if found != [wanted]:
        return f"the client certificate is for {found or 'no URI'}; the gateway's is for {wanted}"
    if peer.node_cluster != NODE_CLUSTER:
        return f"node.cluster is {peer.node_cluster!r}; the gateway's is {NODE_CLUSTER!r}"
    node_namespace, slash, pod = peer.node_id.partition("/")
    if node_namespace != namespace or not slash or not pod:
        return f"node.id is {peer.node_id!r}; the gateway's is '{namespace}/<pod>'"
    return None


def certificate_uris(pem: bytes) -> list[str]:
    """Return the URIs among a certificate's subject alternative names; none where it has none or is none."""
    try:
        extension = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (ValueError, x509.ExtensionNotFound):
        return []
    return extension.value.get_values_for_type(x509.UniformResourceIdentifier)
