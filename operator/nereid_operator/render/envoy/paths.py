"""Which requests there are: every path and method that the gateway lets through or answers itself.

Everything is matched whole: what is not here does not reach a replica, whatever it looks like. Read by routes.py.
"""

GET = "GET"
POST = "POST"

# A model's name as it stands in a path. A path with any other character, a percent sign too, matches nothing.
_MODEL = r"/v2/models/[A-Za-z0-9._-]{1,300}(/versions/[0-9]{1,18})?"
_SERVICE = r"/inference\.GRPCInferenceService"

# The frontend answers those of another task than the model's with a word on the right one.
OPENAI = r"/v1/(chat/completions|completions|embeddings|classify)"
INFER = rf"{_MODEL}/(infer|generate|generate_stream)"
DESCRIBE = rf"{_MODEL}(/(ready|config|stats))?"
GRPC = rf"{_SERVICE}/(ModelInfer|ModelStreamInfer|ModelReady|ModelMetadata|ModelConfig|ModelStatistics)"

MODELS = "/v1/models"
SERVER = "/v2"
HEALTH = "/v2/health/(live|ready)"

# The model's name in the path of DESCRIBE and INFER, and the whole path for the filter that takes it out.
MODEL_OF_PATH = r"^/v2/models/([^/]+)(?:/.*)?$"

# The field of each gRPC request that names the model: method → field.
MODEL_FIELDS = {
    "ModelInfer": "model_name",
    "ModelStreamInfer": "model_name",
    "ModelReady": "name",
    "ModelMetadata": "name",
    "ModelConfig": "name",
    "ModelStatistics": "name",
}
GRPC_SERVICE = "inference.GRPCInferenceService"
