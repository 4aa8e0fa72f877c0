"""The benchmark of the control plane: a real API server and its controllers, nodes played by kwok, the operator alone.

stand       cluster, chart's RBAC and environment    ──► run ──► report
load        creates, edits, touches; the bare client       │
operator    the process under test: start, memory, end     │
audit       what the API server saw ── figures ◄───────────┘
"""
