"""The command `nereid`: why, status, plan and chat.

arguments → __main__ → commands ──reads──► cluster      (the only module that talks to the API server)
                          │                  │ Evidence, nodes: objects as they are
                          ▼                  ▼
                why, listing, live_listing, planned, placement: what was read → text, pure
                chat, live: a conversation with a model's pod, or the operator's
"""
