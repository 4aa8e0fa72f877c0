"""The benchmark of the download: one large file from a web server on loopback, beside a plain `curl -o`.

server      a file server in Go, built once      ──► run ──► report
client      the process under test: one fetch          │
curl        the baseline, in turn with it ─────────────┘
"""
