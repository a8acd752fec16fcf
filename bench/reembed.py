"""Changing the embedding model of 20,000 passages under load: killed twice, switched, and back."""

import json
import math
import signal
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import common
import stage as scene
from table import Row

PASSAGES = 20_000
QUIET = 500
CLIENTS = 4
LENGTH = 256
LIMIT_SECONDS = 1800
MODEL = ["--provider", "openai", "--model", "hashed", "--dimensions", str(LENGTH)]


def text(number):
    """A text of its own; neighbours have words in common."""
    return " ".join(f"{name}{number // share}" for name, share in (("alpha", 1), ("beta", 2), ("gamma", 5), ("delta", 40), ("eta", 700)))


def vector(words):
    """Every word turns a direction of its own: a model whose vectors are known beforehand."""
    sums = [0.0] * LENGTH
    for word in words.split():
        seed = zlib.crc32(word.encode())
        for place in range(16):
            seed = (seed * 1664525 + 1013904223) & 0xFFFFFFFF
            sums[seed % LENGTH] += 1.0 if seed & 0x10000 else -1.0
    length = math.sqrt(sum(value * value for value in sums)) or 1.0
    return [round(value / length, 6) for value in sums]


class Model(BaseHTTPRequestHandler):
    """An OpenAI-compatible embedding model on loopback."""

    protocol_version = "HTTP/1.1"
    texts = 0

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        given = body["input"] if isinstance(body["input"], list) else [body["input"]]
        Model.texts += len(given)
        data = [{"object": "embedding", "index": place, "embedding": vector(words)} for place, words in enumerate(given)]
        answer = json.dumps({"object": "list", "data": data, "model": "hashed", "usage": {"prompt_tokens": len(given), "total_tokens": len(given)}})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, *_):
        pass


class Client(threading.Thread):
    """Searches for texts that nobody touches: each has to come first, in whatever space."""

    def __init__(self, api, start, over):
        super().__init__(daemon=True)
        self.api, self.number, self.over = api.again(), start, over
        self.searches, self.errors, self.mixed, self.spaces, self.times = 0, [], 0, set(), []

    def run(self):
        while not self.over.is_set():
            self.number = (self.number + 37) % QUIET
            began = time.monotonic()
            try:
                found = self.api.post("/knowledge/search", {"query": text(self.number), "limit": 5})
            except (RuntimeError, OSError) as error:
                self.errors.append(str(error))
                continue
            self.times.append(time.monotonic() - began)
            self.searches += 1
            self.spaces.add(found["space"]["dimensions"])
            hit = found["hits"][0]
            self.mixed += hit["external_id"] != f"s{self.number}" or hit["similarity"] < 0.99


class Writer(threading.Thread):
    """Stores, edits and deletes; remembers what has to be there in the end."""

    def __init__(self, api, over):
        super().__init__(daemon=True)
        self.api, self.over = api.again(), over
        self.errors, self.written, self.deleted, self.number = [], [], [], QUIET

    def run(self):
        while not self.over.is_set():
            self.number += 1
            try:
                self.once(self.number)
            except (RuntimeError, OSError) as error:
                self.errors.append(str(error))

    def once(self, number):
        made = self.api.post("/memories", {"external_id": f"m{number}", "content": text(number + 100_000)})
        edited = f"edited {text(number + 200_000)}"
        self.api.send("PATCH", f"/memories/{made['id']}", {"content": edited})
        source = {"title": f"w{number}", "external_id": f"w{number}", "text": text(number + 300_000)}
        self.api.post("/knowledge/sources", source)
        self.written.append((edited, source["text"]))
        found = self.api.post("/knowledge/search", {"query": text(number), "limit": 1})["hits"]
        if found and found[0]["external_id"] == f"s{number}":
            self.api.send("DELETE", f"/knowledge/sources/{found[0]['source_id']}")
            self.deleted.append(found[0]["source_id"])


def _reembed(tandem, *arguments):
    return common.run([common.binary(), "reembed", *arguments], LIMIT_SECONDS, env=tandem.settings, cwd="/")


def _beside(tandem):
    spaces = json.loads(_reembed(tandem, "status", "--json"))["spaces"]
    return next((space for space in spaces if space["status"] not in ("active", "retired")), None)


def _kill_on_the_way(tandem, missing):
    """The command is killed with -9 when fewer than this many rows lack their vector."""
    child = common.start([common.binary(), "reembed", *MODEL], env=tandem.settings, cwd="/", stdout=-3, stderr=-3)
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        space = _beside(tandem)
        if space and space["missing"] < missing:
            break
        time.sleep(0.2)
    is_on_the_way = child.poll() is None
    common.stop(child, signal.SIGKILL)
    return is_on_the_way


def reembedding():
    """Zero errors, no mixed space, exact rows: under four clients that search and one that writes and deletes."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # The servers' workers leave the change to the commands that are killed.
    settings = {
        "DATA_DIR": common.folder("te-") / "data", "EMBEDDING_MODEL": "pocket", "CHAT_MODEL": "none",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{server.server_port}/v1", "TANDEM__JOBS__LEASE_S": "2",
    }  # fmt: skip
    tandem = common.Tandem("reembed", **settings)
    tandem.start()
    api = tandem.user("reembed@bench.example")
    sources = [{"title": f"s{n}", "external_id": f"s{n}", "text": text(n)} for n in range(PASSAGES)]
    assert common.ingest(api, sources) == 0
    over = threading.Event()
    clients = [Client(api, start, over) for start in range(CLIENTS)]
    writer = Writer(api, over)
    for thread in (*clients, writer):
        thread.start()
    time.sleep(5)
    quiet = sorted(took for client in clients for took in client.times)
    estimate = _reembed(tandem, *MODEL, "--dry-run").splitlines()[1]
    began = time.monotonic()
    kills = sum(_kill_on_the_way(tandem, missing) for missing in (PASSAGES * 3 // 4, PASSAGES // 3))
    _reembed(tandem, *MODEL, "--switch")
    took = time.monotonic() - began
    time.sleep(5)
    _reembed(tandem, "rollback")
    time.sleep(5)
    _reembed(tandem, "switch")
    over.set()
    for thread in (*clients, writer):
        thread.join(60)
    while any(api.get(f"/knowledge/sources?status={status}&limit=1")["items"] for status in ("queued", "processing")):
        time.sleep(0.1)
    wrong = _wrong_rows(api, writer)
    spaces = json.loads(_reembed(tandem, "status", "--json"))["spaces"]
    tandem.stop()
    server.shutdown()
    errors = [*(error for client in clients for error in client.errors), *writer.errors]
    mixed, searches = sum(client.mixed for client in clients), sum(client.searches for client in clients)
    times = sorted(took for client in clients for took in client.times)
    active = next(space for space in spaces if space["status"] == "active")
    rows = PASSAGES + 2 * len(writer.written) - len(writer.deleted)
    is_exact = not wrong and active["rows"] == rows and active["missing"] == 0
    seen = set().union(*(client.spaces for client in clients))
    p95 = lambda values: values[int(len(values) * 0.95)] * 1000  # noqa: E731
    return [
        Row(f"re-embedding {PASSAGES:,} passages under load, killed {kills} times, switched, back, switched", "no error, no mixed result",
            f"{len(errors)} errors{': ' + errors[0][:120] if errors else ''}, {mixed} mixed of {searches:,} searches, in {took:.0f} s ({estimate})",
            "", not errors and mixed == 0 and kills == 2 and seen == {384, LENGTH}),
        Row("", "final rows exact", f"{active['rows']:,} rows of {rows:,}, {wrong} wrong, {len(writer.deleted)} deleted meanwhile", "", is_exact),
        Row("", "searches meanwhile", f"p50 {scene.median(times) * 1000:.1f} ms, p95 {p95(times):.1f} ms, longest {times[-1] * 1000:.0f} ms; before p50 {scene.median(quiet) * 1000:.1f} ms, p95 {p95(quiet):.1f} ms", ""),
    ]  # fmt: skip


def _wrong_rows(api, writer):
    """What was written has to be found by its own words, and what was deleted not at all."""
    wrong = 0
    for edited, passage in writer.written[-300:]:
        memory = api.post("/memories/search", {"query": edited, "limit": 1})["hits"][0]
        found = api.post("/knowledge/search", {"query": passage, "limit": 1})["hits"][0]
        wrong += memory["content"] != edited or memory["similarity"] < 0.99
        wrong += found["content"] != passage or found["similarity"] < 0.99
    for source in writer.deleted:
        try:
            api.get(f"/knowledge/sources/{source}")
            wrong += 1
        except RuntimeError as error:
            wrong += ": 404" not in str(error)
    return wrong
