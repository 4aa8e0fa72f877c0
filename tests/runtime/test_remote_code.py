"""What asks for the repository's own code is refused; a model beside scripts of its authors is not."""

import pytest

from model_runtime.documents import Documents
from model_runtime.errors import RemoteCode
from model_runtime.remote_code import check_documents
from model_runtime.selection import select

MODEL = ("config.json", "model.safetensors", "tokenizer.json")
TRANSFORMER = {"type": "sentence_transformers.models.Transformer"}

REFUSED = [
    ("auto_map in config.json", Documents({"auto_map": {"AutoModel": "x.Y"}}), r"config\.json: auto_map"),
    ("an empty auto_map", Documents({"auto_map": {}}), "auto_map"),
    ("auto_map of a part", Documents({"vision_config": {"auto_map": {"AutoConfig": "x.Y"}}}), "auto_map"),
    ("auto_map of a tokenizer", Documents({}, {"auto_map": {"AutoTokenizer": ["x.Y", None]}}), "tokenizer_config"),
    ("auto_map in a list", Documents({"parts": [{"auto_map": "x.Y"}]}), "auto_map"),
    ("a pipeline of its own", Documents({"custom_pipelines": {"x": {"impl": "x.Y"}}}), "custom_pipelines"),
    ("trust", Documents({}, sentence={"model_args": {"trust_remote_code": True}}), "sentence_bert_config.json: trust"),
    ("code for generate()", Documents({}, generation={"custom_generate": "org/x"}), "generation_config"),
    ("a module of its own", Documents({}, modules=[TRANSFORMER, {"type": "custom_st.Transformer"}]), "custom_st"),
    ("a module that only sounds right", Documents({}, modules=[{"type": "sentence_transformersx.A"}]), "modules.json"),
]


@pytest.mark.parametrize(("sentence", "documents", "says"), REFUSED, ids=[row[0] for row in REFUSED])
def test_settings_that_point_at_code(sentence: str, documents: Documents, says: str) -> None:
    with pytest.raises(RemoteCode, match=says):
        check_documents(documents)


PASSED = [
    ("no trust", Documents({"trust_remote_code": False, "auto_map": None})),
    ("a text that mentions it", Documents({"comment": "auto_map"})),
    ("modules of the library", Documents({}, modules=[TRANSFORMER])),
    ("modules of another form, which is another reason", Documents({}, modules={"type": 1})),
]


@pytest.mark.parametrize(("sentence", "documents"), PASSED, ids=[row[0] for row in PASSED])
def test_settings_that_do_not(sentence: str, documents: Documents) -> None:
    check_documents(documents)


CODE = ["modeling_x.py", "configuration_x.py", "tokenization_x.py", "processing_x.py", "image_processing_x.py"]


@pytest.mark.parametrize("path", [*CODE, "handler.py", "sub/modeling_x.py", "custom_generate/generate.py"])
def test_files_that_are_code_by_their_names(path: str) -> None:
    with pytest.raises(RemoteCode, match=path):
        select([*MODEL, path])


@pytest.mark.parametrize("path", ["train_script.py", "examples/run.py", "model.py", "modeling.md", "my_handler.py"])
def test_other_scripts_are_left_out(path: str) -> None:
    assert select([*MODEL, path]) == MODEL
