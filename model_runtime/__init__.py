"""What runs in a replica and in the Jobs: fetch, verify, engines, Triton backend, OpenAI frontend."""
