"""Two real models, served by real pods, give the answers of the reference library through unmodified clients."""

import queue

import numpy as np
import openai
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http

from tests.runtime.reference import CHAT_PROMPTS
from tests.stack.kubectl import MODELS

pytestmark = pytest.mark.e2e

# The prompts and what a user's sentences look like beside them: short, long, other scripts, signs.
PROMPTS = CHAT_PROMPTS[:20]
SENTENCES = [
    *PROMPTS,
    *(f"{prompt} {' and '.join(PROMPTS[: count % 7])}" for count, prompt in enumerate(PROMPTS)),
    *(prompt.upper() for prompt in CHAT_PROMPTS[:10]),
]
CONVERSATIONS = [[{"role": "user", "content": prompt}] for prompt in CHAT_PROMPTS]
ANSWER_TOKENS = 24


def test_minilm_embeds_as_the_reference_does(minilm, openai_client, embedded):
    """50 sentences, one request each, within 1e-5 cosine of the reference library unpadded in fp32."""
    reference = embedded(SENTENCES)
    with openai_client(minilm) as client:
        vectors = [client.embeddings.create(model=minilm, input=sentence).data[0].embedding for sentence in SENTENCES]
    assert np.min(_cosines(np.array(vectors), reference)) >= 1 - 1e-5


def test_minilm_embeds_mixed_lengths_in_one_request(minilm, openai_client, embedded):
    with openai_client(minilm) as client:
        answer = client.embeddings.create(model=minilm, input=SENTENCES[:32])
    assert [item.index for item in answer.data] == list(range(32))
    vectors = np.array([item.embedding for item in answer.data])
    assert np.min(_cosines(vectors, embedded(SENTENCES[:32]))) >= 1 - 1e-4


def test_smollm2_says_what_the_reference_says(smollm2, openai_client, greedy_text):
    """Greedy, token for token: the text is the same as the reference library's in fp32."""
    with openai_client(smollm2) as client:
        for messages in CONVERSATIONS[:4]:
            answer = client.chat.completions.create(
                model=smollm2, messages=messages, temperature=0, max_tokens=ANSWER_TOKENS
            )
            assert answer.choices[0].message.content == greedy_text(messages, ANSWER_TOKENS)


def test_smollm2_streams_the_same_text(smollm2, openai_client, greedy_text):
    with openai_client(smollm2) as client:
        stream = client.chat.completions.create(
            model=smollm2,
            messages=CONVERSATIONS[2],
            temperature=0,
            max_tokens=ANSWER_TOKENS,
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == greedy_text(CONVERSATIONS[2], ANSWER_TOKENS)
    usage = chunks[-1].usage
    assert usage is not None
    pieces = [chunk for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert len(pieces) > usage.completion_tokens / 2, "a stream arrives in pieces"


def test_tritonclient_reaches_both_models(minilm, smollm2, ports, embedded):
    """The Open Inference Protocol over HTTP and gRPC, through the unmodified client."""
    sentence = SENTENCES[0]
    reference = embedded([sentence])
    with ports(minilm, 8000, 8001) as local:
        text = np.array([[sentence.encode()]], dtype=np.object_)
        with triton_http.InferenceServerClient(f"127.0.0.1:{local[8000]}") as client:
            tensor = triton_http.InferInput("text_input", [1, 1], "BYTES")
            tensor.set_data_from_numpy(text)
            over_http = client.infer(minilm, [tensor]).as_numpy("embedding")
        with triton_grpc.InferenceServerClient(f"127.0.0.1:{local[8001]}") as client:
            tensor = triton_grpc.InferInput("text_input", [1, 1], "BYTES")
            tensor.set_data_from_numpy(text)
            over_grpc = client.infer(minilm, [tensor]).as_numpy("embedding")
    assert np.min(_cosines(np.concatenate([over_http, over_grpc]), np.repeat(reference, 2, axis=0))) >= 1 - 1e-5
    with ports(smollm2, 8001) as local:
        assert _stream_over_grpc(f"127.0.0.1:{local[8001]}", smollm2)


def test_unknown_model_is_an_openai_404(minilm, openai_client):
    with openai_client(minilm) as client, pytest.raises(openai.NotFoundError, match="no-such-model"):
        client.embeddings.create(model="no-such-model", input="x")


def test_kubectl_get_tells_the_truth(minilm, smollm2, kubectl, namespace):
    table = kubectl.run("get", "nmd", "-n", namespace)
    assert {minilm, smollm2} <= {line.split()[0] for line in table.splitlines()[1:]}
    model = kubectl.get(MODELS, minilm, namespace)["status"]["model"]
    assert model["task"] == "Embedding"
    assert model["architecture"] == "BertModel"
    assert model["digest"].startswith("sha256:")


def _stream_over_grpc(address: str, model: str) -> str:
    answers: queue.Queue = queue.Queue()
    with triton_grpc.InferenceServerClient(address) as client:
        client.start_stream(lambda result, error: answers.put(error or result))
        client.async_stream_infer(
            model, [_bytes("text_input", "Once upon a time"), _true("stream")], enable_empty_final_response=True
        )
        pieces = []
        while True:
            answer = answers.get(timeout=60)
            assert not isinstance(answer, Exception), answer
            if answer.get_response().parameters["triton_final_response"].bool_param:
                return "".join(pieces)
            pieces.append(answer.as_numpy("text_output")[0].decode())


def _bytes(name: str, value: str) -> triton_grpc.InferInput:
    tensor = triton_grpc.InferInput(name, [1], "BYTES")
    tensor.set_data_from_numpy(np.array([value.encode()], dtype=np.object_))
    return tensor


def _true(name: str) -> triton_grpc.InferInput:
    tensor = triton_grpc.InferInput(name, [1], "BOOL")
    tensor.set_data_from_numpy(np.array([True]))
    return tensor


def _cosines(ours: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Cosine of each pair of rows: [N, D], [N, D] -> [N]."""
    norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(reference, axis=1)
    return np.einsum("nd,nd->n", ours, reference) / norms
