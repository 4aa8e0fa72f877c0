"""Plan → Kubernetes objects. Adds form, decides nothing. Pure."""
