"""The Nereid operator: ModelDeployments to Kubernetes objects."""
