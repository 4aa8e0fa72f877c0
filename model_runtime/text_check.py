"""The parts of a model that turn text into tokens: its tokenizer and its chat template, tried out in bounded processes.

Called by `inspection` last, since it costs the most: about a second of processor time.
"""

from model_runtime.beginnings import BEGINNING_BYTES, check_beginning
from model_runtime.documents import Documents, parse_document
from model_runtime.engines.special_tokens import parse_special_tokens
from model_runtime.errors import InvalidModel, UnsafeTemplate, UnsafeTokenizer
from model_runtime.manifest import FileEntry
from model_runtime.model_files import ModelFiles
from model_runtime.template_check import DOCUMENT_NAME, MAX_TEMPLATE_BYTES, TEMPLATE_NAME, check_template, template_of
from model_runtime.tokenizer_check.check import MAX_TOKENIZER_BYTES, TOKENIZER_NAME, check_tokenizer

# What is read here whole, so that nothing else needs to look at its beginning.
TEXT_FILES = (TOKENIZER_NAME, TEMPLATE_NAME, DOCUMENT_NAME)
# A template in JSON: a line end or a quote takes two bytes, a character outside ASCII up to six for two.
_MAX_DOCUMENT_BYTES = 4 * MAX_TEMPLATE_BYTES


def check_text(files: ModelFiles, documents: Documents) -> None:
    """Check tokenizer and template, where the model has them.

    Raises:
        UnsafeTokenizer, UnsafeTemplate: it is of absurd size, or takes too long or too much.
        PickledWeights, PackedFile: it is of another format, whatever its name.
        InvalidModel: it cannot be read.

    """
    entries = {entry.path: entry for entry in files.entries}
    if entry := entries.get(TOKENIZER_NAME):
        check_tokenizer(_read(files, entry, MAX_TOKENIZER_BYTES, UnsafeTokenizer))
    template = template_of(
        _own_template(files, entries.get(TEMPLATE_NAME)),
        [_document(files, entries.get(DOCUMENT_NAME)), documents.tokenizer_config],
    )
    if template:
        # `loadable` has found them well-formed.
        special = parse_special_tokens(documents.tokenizer_config, documents.generation, documents.config)
        check_template(template, special.bos_token or "", special.eos_token or "")


def _own_template(files: ModelFiles, entry: FileEntry | None) -> str | None:
    if entry is None:
        return None
    try:
        return _read(files, entry, MAX_TEMPLATE_BYTES, UnsafeTemplate).decode()
    except UnicodeDecodeError as error:
        raise InvalidModel(f"{entry.path}: byte {error.start} is not UTF-8") from error


def _document(files: ModelFiles, entry: FileEntry | None) -> object:
    if entry is None:
        return None
    return parse_document(entry.path, _read(files, entry, _MAX_DOCUMENT_BYTES, UnsafeTemplate))


def _read(
    files: ModelFiles, entry: FileEntry, limit: int, error: type[UnsafeTokenizer] | type[UnsafeTemplate]
) -> bytes:
    if entry.size > limit:
        raise error(f"{entry.path}: {entry.size} bytes: expected at most {limit}")
    content = files.read(entry)
    check_beginning(entry.path, content[:BEGINNING_BYTES])
    return content
