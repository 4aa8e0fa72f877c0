"""SentencePiece's table of replacements, which tokenizer.json carries in base64: how long one can be. Pure.

The table is the size of a trie in four bytes, the trie, and the replacements, each ended by a zero byte. Called by
`structure`.
"""

import base64
import binascii

_SIZE_BYTES = 4


def longest_replacement(text: str) -> int:
    """Return the most bytes that one character can become.

    Raises:
        ValueError: the text is no such table.

    """
    try:
        table = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"precompiled_charsmap: {error}") from error
    trie_bytes = int.from_bytes(table[:_SIZE_BYTES], "little")
    begin = _SIZE_BYTES + trie_bytes
    if len(table) < _SIZE_BYTES or trie_bytes % 4 or begin > len(table):
        raise ValueError(f"precompiled_charsmap: {len(table)} bytes with a trie of {trie_bytes}")
    return max(map(len, table[begin:].split(b"\0")))
