"""The peer of the ingestion row: all-MiniLM-L6-v2 in onnxruntime, as one embeds in Python.

usage: onnx_peer.py MODEL_FOLDER CACHE_FOLDER TEXTS.jsonl   (run by the bench's own Python)
Prints {"texts", "seconds", "cpu_seconds", "check"}. No package ships the model as ONNX, so the
graph is written here once, from the same weights. Texts are sorted by length and
embedded in batches of 32, padded to the longest of the batch; 256 tokens at most.
"""

import json
import pathlib
import sys
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer

LAYERS, HEADS, WIDTH = 6, 12, 384
BATCH, WINDOW = 32, 256


def weights(path):
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    found = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        found[name.removeprefix("bert.")] = np.frombuffer(raw[begin:end], np.float32).reshape(entry["shape"])
    return found


class Graph:
    """Nodes and constants, named as they come."""

    def __init__(self, tensors):
        self.tensors, self.nodes, self.constants = tensors, [], {}

    def constant(self, name, value):
        self.constants.setdefault(name, numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def weight(self, name, transpose=False):
        value = self.tensors[name]
        return self.constant(name, value.T if transpose else value)

    def node(self, kind, *inputs, **attributes):
        output = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def linear(self, value, name):
        product = self.node("MatMul", value, self.weight(f"{name}.weight", transpose=True))
        return self.node("Add", product, self.weight(f"{name}.bias"))

    def norm(self, value, name):
        return self.node(
            "LayerNormalization", value, self.weight(f"{name}.weight"), self.weight(f"{name}.bias"), axis=-1, epsilon=1e-12
        )

    def heads(self, value, order):
        shape = self.constant("head_shape", np.array([0, 0, HEADS, WIDTH // HEADS], np.int64))
        return self.node("Transpose", self.node("Reshape", value, shape), perm=order)

    def attention(self, value, mask, prefix):
        query = self.heads(self.linear(value, f"{prefix}.self.query"), [0, 2, 1, 3])
        key = self.heads(self.linear(value, f"{prefix}.self.key"), [0, 2, 3, 1])
        content = self.heads(self.linear(value, f"{prefix}.self.value"), [0, 2, 1, 3])
        scale = self.constant("scale", np.array((WIDTH // HEADS) ** -0.5, np.float32))
        scores = self.node("Add", self.node("Mul", self.node("MatMul", query, key), scale), mask)
        mixed = self.node("MatMul", self.node("Softmax", scores, axis=-1), content)
        mixed = self.node("Transpose", mixed, perm=[0, 2, 1, 3])
        mixed = self.node("Reshape", mixed, self.constant("flat", np.array([0, 0, WIDTH], np.int64)))
        added = self.node("Add", self.linear(mixed, f"{prefix}.output.dense"), value)
        return self.norm(added, f"{prefix}.output.LayerNorm")


def export(tensors, path):
    graph = Graph(tensors)
    ids = graph.node("Gather", graph.weight("embeddings.word_embeddings.weight"), "ids")
    length = graph.node("Shape", "ids", start=1, end=2)
    zero, one = (graph.constant(name, np.array([value], np.int64)) for name, value in (("zero", 0), ("one", 1)))
    places = graph.node("Slice", graph.weight("embeddings.position_embeddings.weight"), zero, length, zero, one)
    kind = graph.constant("kind", tensors["embeddings.token_type_embeddings.weight"][0])
    value = graph.norm(graph.node("Add", graph.node("Add", ids, places), kind), "embeddings.LayerNorm")
    real = graph.node("Cast", "mask", to=TensorProto.FLOAT)
    far = graph.node("Mul", graph.node("Sub", graph.constant("unit", np.array(1, np.float32)), real),
                     graph.constant("far", np.array(-1e9, np.float32)))  # fmt: skip
    far = graph.node("Unsqueeze", far, graph.constant("axes", np.array([1, 2], np.int64)))
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}"
        value = graph.attention(value, far, f"{prefix}.attention")
        inner = graph.node("Gelu", graph.linear(value, f"{prefix}.intermediate.dense"))
        value = graph.norm(graph.node("Add", graph.linear(inner, f"{prefix}.output.dense"), value), f"{prefix}.output.LayerNorm")
    column = graph.node("Unsqueeze", real, graph.constant("last", np.array([2], np.int64)))
    total = graph.node("ReduceSum", graph.node("Mul", value, column), one, keepdims=0)
    count = graph.node("ReduceSum", column, one, keepdims=0)
    graph.nodes.append(helper.make_node("Div", [total, count], ["pooled"]))
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]) for name in ("ids", "mask")]
    output = helper.make_tensor_value_info("pooled", TensorProto.FLOAT, ["batch", WIDTH])
    made = helper.make_graph(graph.nodes, "minilm", inputs, [output], list(graph.constants.values()))
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), str(path))


class Peer:
    def __init__(self, folder, cache):
        path = cache / "minilm.onnx"
        if not path.exists():
            export(weights(folder / "model.safetensors"), path)
        self.session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(WINDOW)
        self.tokenizer.enable_padding()

    def embed(self, texts):
        vectors = np.empty((len(texts), WIDTH), np.float32)
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        for begin in range(0, len(order), BATCH):
            chosen = order[begin : begin + BATCH]
            encoded = self.tokenizer.encode_batch([texts[place] for place in chosen])
            ids = np.array([one.ids for one in encoded], np.int64)
            mask = np.array([one.attention_mask for one in encoded], np.int64)
            (pooled,) = self.session.run(None, {"ids": ids, "mask": mask})
            vectors[chosen] = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
        return vectors


def main():
    folder, cache, file = (pathlib.Path(argument) for argument in sys.argv[1:])
    texts = [json.loads(line)["text"] for line in file.read_text(encoding="utf-8").splitlines()]
    peer = Peer(folder, cache)
    # The model's published check value: .943.
    one, other = peer.embed(["That is a happy person", "That is a very happy person"])
    peer.embed(texts[:BATCH])
    began, spent = time.perf_counter(), time.process_time()
    peer.embed(texts)
    seconds, spent = time.perf_counter() - began, time.process_time() - spent
    print(json.dumps({"texts": len(texts), "seconds": seconds, "cpu_seconds": spent, "check": float(one @ other)}))


main()
