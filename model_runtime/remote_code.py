"""What in a model's documents asks for Python of its repository to be run. Pure; called by `inspection`.

Files that are code by their names are refused in `selection`, which sees all of them.
"""

from model_runtime.documents import DOCUMENTS, Documents
from model_runtime.errors import RemoteCode
from model_runtime.strict_json import walk

_SENTENCE_MODULES = "sentence_transformers."
# Names of settings that point at code: of transformers, of diffusers, and of those who load them.
_SETTINGS = frozenset({"auto_map", "custom_pipelines", "custom_pipeline", "custom_generate", "trust_remote_code"})


def check_documents(documents: Documents) -> None:
    """Refuse settings that point at code, however deep in a document.

    Raises:
        RemoteCode: names the document and the setting.

    """
    for path, document in DOCUMENTS.items():
        for name, value in walk(getattr(documents, document.field)):
            # An empty auto_map was still written by someone who registered code; null and false say that there is none.
            if name in _SETTINGS and value is not None and value is not False:
                raise RemoteCode(f"{path}: {name} asks for the repository's own code, which is never run")
    _check_modules(documents.modules)


def _check_modules(modules: object) -> None:
    for module in modules if isinstance(modules, list) else ():
        kind = module.get("type") if isinstance(module, dict) else None
        if isinstance(kind, str) and not kind.startswith(_SENTENCE_MODULES):
            raise RemoteCode(
                f"modules.json: type {kind[:80]!r}: expected {_SENTENCE_MODULES}*: other code is never run"
            )
