"""Repositories with paths that are not plainly inside the folder of the model. Links: tests/runtime/test_prepare.py."""

from model_runtime.errors import UnsafePath
from tests.runtime.corpus.building import INDEX, encoded, sharded, with_files
from tests.runtime.corpus.rows import Bad

PATHS = [
    ("a path out of the folder", "../../etc/cron.d/job"),
    ("a path out of the folder and back", "a/../../model/config.json"),
    ("an absolute path", "/etc/passwd"),
    ("a path of another system", "..\\..\\config.json"),
    ("a path with an empty part", "a//config.json"),
    ("a path with letters that turn the direction", "config\u202enosj.json"),
    ("a path with a control character", "config\x1b[2J.json"),
    ("a path with a null", "config.json\0.txt"),
    ("a path of a thousand letters", "a" * 1000),
]

BAD = [
    *(Bad(sentence, with_files({path: b"{}"}), UnsafePath, "expected") for sentence, path in PATHS),
    Bad(
        "an index that points out of the folder",
        with_files({INDEX: encoded({"weight_map": {"model.norm.weight": "../../other/model.safetensors"}})}, sharded),
        UnsafePath,
        "../../other/model.safetensors",
    ),
]
