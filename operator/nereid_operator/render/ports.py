"""The ports of a replica and of its Service; docs/architecture.md fixes them."""

SERVICE_PORT = 80
HTTP_PORT = 8000  # Triton
GRPC_PORT = 8001  # Triton
METRICS_PORT = 8002  # Triton
FRONTEND_PORT = 8080
PROGRESS_PORT = 8082  # `prepare`
