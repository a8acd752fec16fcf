"""The rows about the process itself: start, memory, ingestion."""

import contextlib
import json
import signal
import subprocess
import time

import common
import stage as scene
from table import Row, at_least

WARM_STARTS = 5
TEXTS = 512
INGESTION_ROUNDS = 2
DEMO_QUESTION = "What does market beta measure?"


def starts():
    """The first start, warm ones after a clean stop and after kill -9, and memory after the first answer."""
    data = common.folder("ts-") / "data"
    tandem = common.Tandem("start", DATA_DIR=data)
    first = tandem.start()
    tandem.stop()
    clean, killed = [], []
    for _ in range(WARM_STARTS):
        clean.append(tandem.start())
        tandem.stop()
    for _ in range(WARM_STARTS):
        tandem.start()
        tandem.stop(signal.SIGKILL)
        killed.append(tandem.start())
        tandem.stop()
    clean, killed = scene.median(clean), scene.median(killed)
    return [
        Row("embedded, first start to ready", "< 5 s", f"{first:.2f} s", f"{first / 5:.2f} x", first < 5),
        Row("warm start to ready after a clean stop", "< 300 ms", f"{clean * 1000:.0f} ms", f"{clean / 0.3:.2f} x", clean < 0.3),
        Row("warm start to ready after kill -9", "<= 1 s", f"{killed * 1000:.0f} ms", f"{killed:.2f} x", killed <= 1),
        *_memory(tandem, data),
    ]


def _memory(tandem, data):
    tandem.start()
    api = tandem.user("memory@bench.example")
    demo = sorted((common.ROOT / "app" / "demo" / "risk").glob("*.md"))
    sources = [{"title": path.stem, "external_id": path.stem, "text": path.read_text(encoding="utf-8")} for path in demo]
    common.ingest(api, sources)
    answer = api.post("/chat/send", {"text": DEMO_QUESTION})
    assert answer["content"], answer
    ours = common.pss_mb(tandem.pid)
    postmaster = int(next(data.rglob("postmaster.pid")).read_text(encoding="ascii").split()[0])
    theirs = sum(_pss_of(pid) for pid in common.descendants(postmaster))
    tandem.stop()
    both = ours + theirs
    return [Row("memory after the first answer: Tandem, embedded Postgres, model (PSS)", "< 350 MB",
                f"{both:.0f} MB ({ours:.0f} + {theirs:.0f})", f"{both / 350:.2f} x", both < 350)]  # fmt: skip


def _pss_of(pid):
    with contextlib.suppress(OSError):  # it may have ended since it was listed
        return common.pss_mb(pid)
    return 0.0


def _texts():
    data = common.eval_data()
    if data is not None:
        rows = common.rows(data / "tatqa" / "corpus.jsonl")
        return [row["text"] for row in rows][: TEXTS * INGESTION_ROUNDS], "TAT-QA"
    words = " ".join(path.read_text(encoding="utf-8") for path in sorted((common.ROOT / "app" / "demo").rglob("*.md"))).split()
    texts = [" ".join(words[(place * 37) % len(words) :][:60]) + f" {place}" for place in range(TEXTS * INGESTION_ROUNDS)]
    return texts, "generated (the evaluation data is absent)"


def ingestion():
    """Texts a second from the first request until all are searchable, beside onnxruntime's bare embedding of them."""
    texts, what = _texts()
    python = scene.peer_python()
    tandem = common.Tandem("ingest", DATA_DIR=common.folder("ti-") / "data")
    tandem.start()
    api = tandem.user("ingest@bench.example")
    common.ingest(api, [{"title": "warm", "external_id": "warm", "text": "A text to warm up with."}])
    ours, theirs = [], []
    for turn in range(INGESTION_ROUNDS):
        chosen = texts[turn * TEXTS : (turn + 1) * TEXTS]
        sources = [{"title": "Document", "external_id": f"{turn}-{place}", "text": text} for place, text in enumerate(chosen)]
        began, before = time.monotonic(), common.cpu_seconds(tandem.pid)
        failed = common.ingest(api, sources)
        assert failed == 0, failed
        ours.append((len(chosen) / (time.monotonic() - began), len(chosen) / (common.cpu_seconds(tandem.pid) - before)))
        theirs.append(_onnxruntime(python, chosen))
    tandem.stop()
    rates = [sum(column) / len(column) for column in (*zip(*ours), *zip(*theirs))]
    our_wall, our_cpu, their_wall, their_cpu = rates
    ratio, is_good = at_least(our_wall / their_wall, 0.9)
    return [
        Row(f"ingestion by the API until searchable, {TEXTS} texts ({what})", ">= 0.9 x onnxruntime (Python), embedding alone",
            f"{our_wall:.1f} texts/s; onnxruntime {their_wall:.1f}", ratio, is_good),
        Row("", "the same a CPU second", f"{our_cpu:.1f} texts; onnxruntime {their_cpu:.1f}", f"{our_cpu / their_cpu:.2f} x"),
    ]  # fmt: skip


def _onnxruntime(python, texts):
    file = common.folder("to-") / "texts.jsonl"
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    model = common.setup_cache() / "models" / "all-MiniLM-L6-v2"
    child = common.start(
        [python, common.ROOT / "bench" / "onnx_peer.py", model, common.bench_cache(), file], stdout=subprocess.PIPE, text=True
    )
    answer = json.loads(child.communicate(timeout=1200)[0])
    if abs(answer["check"] - 0.943) > 0.002:
        raise RuntimeError(f"the exported graph is wrong: {answer}")
    return answer["texts"] / answer["seconds"], answer["texts"] / answer["cpu_seconds"]
