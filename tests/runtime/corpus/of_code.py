"""Repositories that want their own code to be run."""

from model_runtime.errors import RemoteCode
from model_runtime.verify import Task
from tests.runtime.corpus.building import encoded, encoder, with_config, with_files
from tests.runtime.corpus.rows import Bad
from tests.runtime.test_verify import SENTENCE_MODULES

CODE = b"import os\nos.system('id')\n"
AUTO_MAP = {"AutoModelForCausalLM": "modeling_x.X"}
OWN_MODULE = [{"type": "custom_st.Transformer", "path": ""}, *SENTENCE_MODULES[1:]]

BAD = [
    Bad("auto_map in config.json", with_config(auto_map=AUTO_MAP), RemoteCode, "config.json: auto_map"),
    Bad("an empty auto_map", with_config(auto_map={}), RemoteCode, "auto_map"),
    Bad("auto_map deep inside", with_config(parts=[{"text": {"auto_map": AUTO_MAP}}]), RemoteCode, "auto_map"),
    Bad(
        "auto_map of the tokenizer",
        with_files({"tokenizer_config.json": encoded({"auto_map": {"AutoTokenizer": ["x.X", None]}})}),
        RemoteCode,
        "tokenizer_config.json: auto_map",
    ),
    Bad("a pipeline of its own", with_config(custom_pipelines={"x": {"impl": "x.X"}}), RemoteCode, "custom_pipelines"),
    Bad(
        "code for generating",
        with_files({"generation_config.json": encoded({"custom_generate": "org/code"})}),
        RemoteCode,
        "generation_config.json: custom_generate",
    ),
    Bad(
        "trust that is asked for",
        with_files({"sentence_bert_config.json": encoded({"model_args": {"trust_remote_code": True}})}, encoder),
        RemoteCode,
        "trust_remote_code",
        Task.EMBEDDING,
    ),
    Bad(
        "a module of its own in the pipeline",
        with_files({"modules.json": encoded(OWN_MODULE)}, encoder),
        RemoteCode,
        "'custom_st.Transformer'",
        Task.EMBEDDING,
    ),
    Bad("a file that defines the model", with_files({"modeling_x.py": CODE}), RemoteCode, "'modeling_x.py'"),
    Bad("a file that defines the config", with_files({"configuration_x.py": CODE}), RemoteCode, "configuration_x"),
    Bad("a tokenizer's code in a folder", with_files({"a/tokenization_x.py": CODE}), RemoteCode, "a/tokenization_x"),
    Bad("a handler of an endpoint", with_files({"handler.py": CODE}), RemoteCode, "'handler.py'"),
    Bad(
        "a folder of code for generating",
        with_files({"custom_generate/generate.py": CODE}),
        RemoteCode,
        "custom_generate/generate.py",
    ),
]
