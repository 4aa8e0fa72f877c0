"""The ports of a replica and of its Service, and of what the gateway asks; docs/architecture.md fixes them."""

SERVICE_PORT = 80
HTTP_PORT = 8000  # Triton
GRPC_PORT = 8001  # Triton
METRICS_PORT = 8002  # Triton
FRONTEND_PORT = 8080
PROGRESS_PORT = 8082  # `prepare`
XDS_PORT = 18000  # the operator: ADS, load reports and access log of the gateway
