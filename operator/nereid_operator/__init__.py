"""The Nereid operator: ModelDeployments to Kubernetes objects."""

__version__ = "0.2.0"
