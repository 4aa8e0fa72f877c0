"""Nereid as the end-to-end tests and the demo bring it up: kubectl, helm, an S3 server, manifests, waiting."""
