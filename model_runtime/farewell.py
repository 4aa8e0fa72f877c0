"""How a client of Triton ends a generation without cancelling its call: docs/decisions/0004.

Said by `frontend.triton_client`, understood by `triton.responses`, which run in different processes.
"""

# A request's parameter whose value is the id of the request to end. Triton's vLLM backend does not know it.
CANCEL_PARAMETER = "nereid_cancel"
