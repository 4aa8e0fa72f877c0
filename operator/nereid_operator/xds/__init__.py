"""The control plane of the gateway: Envoy's configuration out, its load and its access log in.

`server.py` puts the three services on one port; `ads.py` sends what `publish` was given last.
"""
