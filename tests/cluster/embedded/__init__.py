"""A Kubernetes of one node inside one network namespace and one process tree, without a container engine."""
