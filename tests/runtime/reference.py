"""The reference library's answers: what the engine is compared with."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

CHAT_PROMPTS = (
    "What is the capital of France?",
    "Write a haiku about the sea.",
    "Explain photosynthesis to a child.",
    "List three uses of a paperclip.",
    "Translate 'good morning' to Spanish.",
    "What is 17 times 23?",
    "Why is the sky blue?",
    "Give me a recipe for pancakes.",
    "Who wrote Hamlet?",
    "Describe a sunset in one sentence.",
    "Write a Python function that adds two numbers.",
    "What does HTTP stand for?",
    "Tell me a joke about cats.",
    "Summarise the plot of Romeo and Juliet.",
    "How do vaccines work?",
    "Name five rivers in Europe.",
    "Qu'est-ce que la photosynthèse ?",
    "日本の首都はどこですか。",
    "Is 97 a prime number? Explain.",
    "Write an e-mail that declines a meeting 🙂.",
    "What is the largest planet?",
    "Write a limerick about a dog.",
    "How many legs does a spider have?",
    "Explain gravity in one sentence.",
    "What is the boiling point of water?",
    "Translate 'thank you' to German.",
    "Name three primary colours.",
    "What is a prime number?",
    "Give me a synonym for happy.",
    "Who painted the Mona Lisa?",
    "Write a short poem about rain.",
    "What is the speed of light?",
    "How do I boil an egg?",
    "Why do leaves change colour?",
    "What is machine learning?",
    "List the days of the week.",
    "Explain what a black hole is.",
    "What is the square root of 144?",
    "Write a sentence with the word 'river'.",
    "Comment allez-vous aujourd'hui ?",
    "¿Qué hora es?",
    "Was ist ein Betriebssystem?",
    "Что такое любовь?",
    "你好，请介绍一下你自己。",
    "Sort these numbers: 5, 3, 9, 1.",
    "What rhymes with 'cat'?",
    "Define photosynthesis.",
    "How far away is the moon?",
    "Tell me about the Roman Empire.",
    "What is 2 to the power of 10?",
)


class ReferenceChat:
    """SmolLM2 by transformers, float32; with a GGUF file its weights and the folder's tokenizer."""

    def __init__(self, folder: Path, gguf: Path | None = None) -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        weights, name = (gguf.parent, gguf.name) if gguf else (folder, None)
        self._model: Any = AutoModelForCausalLM.from_pretrained(weights, gguf_file=name, dtype=torch.float32).eval()

    def prompt(self, messages: list[dict[str, str]]) -> str:
        """Return the text of a conversation by the library's own chat template code."""
        return str(self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))

    def greedy(self, prompt: str, count: int) -> list[int]:
        """Return exactly `count` greedy tokens: the end of the text does not stop it."""
        ids = self.tokenizer(prompt, return_tensors="pt", add_special_tokens=False)
        with torch.inference_mode():
            out = self._model.generate(
                **ids,
                do_sample=False,
                max_new_tokens=count,
                eos_token_id=None,
                pad_token_id=self.tokenizer.eos_token_id,
            )
        return [int(token) for token in out[0, ids["input_ids"].shape[1] :]]

    def weights(self) -> dict[str, torch.Tensor]:
        """Return the tensors by the library's names."""
        return dict(self._model.state_dict())

    def logits(self, ids: list[int]) -> torch.Tensor:
        """Return the logits after each token, [T, V]."""
        with torch.inference_mode():
            logits: torch.Tensor = self._model(torch.tensor([ids])).logits[0]
        return logits


class ReferenceEmbedding:
    """MiniLM by transformers: float32, unpadded, mean pooling, normalised, as sentence-transformers does it."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self._model: Any = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()

    def embed(self, text: str) -> torch.Tensor:
        """Return the vector of one text, [H]."""
        ids = self.tokenizer(text, return_tensors="pt", padding=False, truncation=False)
        with torch.inference_mode():
            hidden = self._model(**ids).last_hidden_state[0]
        return torch.nn.functional.normalize(hidden.mean(dim=0), dim=0)
