"""The command `nereid`: why, status, plan and chat.

arguments → __main__ → commands ──reads──► cluster      (the only module that talks to the API server)
                          │                  │ Evidence, nodes: objects as they are
                          ▼                  ▼
                why, listing, planned, placement: objects → text, pure
                chat, port_forward: a conversation with the model's Service
"""
