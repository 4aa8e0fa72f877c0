"""The benchmark of the engine: tokens, sentences, memory and start, beside the reference library and llama.cpp.

workload               prompts and sentences, the same for every side ──┐
generation_ours, generation_reference, generation_llamacpp,             │
embedding_ours, embedding_reference      a process each, called in turn ┼─► run ──► results
replica                prepare, Triton and frontend, as a pod has them ─┘
calls                  how `run` and the processes talk: a line of JSON each way
"""
