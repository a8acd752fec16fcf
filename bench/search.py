"""The rows about searching: the service beside pgbench and the twin, recall, memories."""

import json

import common
import stage as scene
import statements
from table import Row, at_least, at_most

# pgbench prepares each statement of each script on each connection, Tandem a
# text once a connection: few scripts, so that both are past that when it counts.
SEQUENCES = 8
ROUNDS = 3
MANY = 16
# Seconds at the beginning of each measurement that do not count.
WARM = 2


class Pgbench:
    """A captured sequence, run by pgbench with its parameters bound."""

    def __init__(self, stage, arguments):
        self.stage, self.arguments = stage, arguments

    def run(self, connections, seconds):
        """Latencies in ms, sorted, and transactions a second; the first seconds, which prepare, do not count."""
        for old in self.stage.postgres.folder.glob("pgbench_log*"):
            old.unlink()
        printed = self.stage.postgres.pgbench(
            "-M", "prepared", "-c", connections, "-j", min(connections, 2), "-T", int(seconds) + WARM, "-l", *self.arguments,
            options=self.stage.ai_options(),
        )  # fmt: skip
        done = []
        for file in self.stage.postgres.folder.glob("pgbench_log*"):
            for line in file.read_text(encoding="ascii").splitlines():
                _, _, micros, _, second, part = line.split()[:6]
                done.append((int(second) + int(part) / 1e6, int(micros) / 1000))
        begin, end = min(done)[0] + WARM, max(done)[0]
        latencies = [latency for at, latency in done if at >= begin]
        rate = len(latencies) / (end - begin)
        failed = next((line for line in printed.splitlines() if "failed transactions: " in line), "0 (")
        if " 0 (" not in failed and not failed.startswith("0"):
            raise RuntimeError(f"pgbench: {failed}")
        return sorted(latencies), rate


def percentile(values, share):
    return values[min(int(len(values) * share), len(values) - 1)]


def sequences(stage, path, extra=None):
    """The first queries as bodies, and what Tandem sends to Postgres for each."""
    bodies = [{"embedding": query, "limit": scene.LIMIT, **(extra or {})} for query in stage.queries[:SEQUENCES]]
    captured = statements.capture(stage.postgres, [lambda body=body: stage.api.post(path, body) for body in bodies])
    return bodies, captured


def describe(sequence):
    """The sequence in words: how many statements and which kinds."""
    kinds = [text.split()[0].upper() for text, _ in sequence]
    return f"{len(kinds)} statements ({' '.join(kinds)}); Tandem sends BEGIN and the identity as one message"


def service(stage, seconds):
    """The search service beside pgbench with the same statements, and beside the twin."""
    stage.sharpen("ai_kb_documents")
    bodies, captured = sequences(stage, "/knowledge/search")
    same = Pgbench(stage, statements.scripts(stage.postgres.folder, captured, "search"))
    bare = Pgbench(stage, statements.scripts(stage.postgres.folder, captured, "bare", statements.without_reach))
    file = stage.bodies("search", bodies)
    stage.start_twin()
    one, many = [], []
    for _ in range(ROUNDS):
        one.append(_round(stage, file, same, bare, 1, seconds))
        many.append(_round(stage, file, same, bare, MANY, seconds))
    best = {name: scene.median([turn[name] for turn in one]) for name in one[0]}
    full = {name: scene.median([turn[name] for turn in many]) for name in many[0]}
    p50, is_p50 = at_most(best["tandem_p50"] / best["pgbench_p50"], 1.25)
    rate, is_rate = at_least(full["tandem_rate"] / full["pgbench_rate"], 0.8)
    cpu, is_cpu = at_most(full["tandem_cpu"] / full["twin_cpu"], 1 / 8)
    secured = best["pgbench_p50"] / best["bare_p50"]
    return [
        Row(f"search service, ef_search {stage.ef_search}, 1 connection: p50", "<= 1.25 x pgbench, same statements",
            f"{best['tandem_p50']:.2f} ms; pgbench {best['pgbench_p50']:.2f} ms; twin {best['twin_p50']:.2f} ms", p50, is_p50),
        Row(f"search service, {MANY} connections: throughput", ">= 0.8 x pgbench, same statements",
            f"{full['tandem_rate']:.0f}/s; pgbench {full['pgbench_rate']:.0f}/s; twin {full['twin_rate']:.0f}/s", rate, is_rate),
        Row(f"search service, {MANY} connections: CPU of our process a request", "<= 1/8 of the twin's",
            f"{full['tandem_cpu'] * 1e6:.0f} µs; twin {full['twin_cpu'] * 1e6:.0f} µs", cpu, is_cpu),
        Row("row security: p50 of the statements, pgbench", "its cost",
            f"{best['pgbench_p50']:.2f} ms with, {best['bare_p50']:.2f} ms without (as superuser)", f"{secured:.2f} x"),
        Row("the sequence", "", describe(captured[1])),
        *_with_words(stage, seconds),
    ]  # fmt: skip


def _with_words(stage, seconds):
    """Each way to search, asked in words: with the embedding of the question, no question twice where it can be helped."""
    rows = []
    for mode in ("dense", "lexical", "hybrid"):
        bodies = [{"query": question, "limit": scene.LIMIT, "mode": mode} for question in stage.questions]
        file = stage.bodies(f"search-{mode}", bodies)
        reports = {}
        for connections in (1, MANY):
            options = {"connections": connections, "seconds": seconds, "warmup": WARM}
            reports[connections] = scene.check(stage.tandem_load("/knowledge/search", file, **options), mode)
        one, many = reports[1], reports[MANY]
        rows.append(
            Row(f"search in words, {mode}, 1 connection: p50", "", f"{one['total_ms']['p50']:.2f} ms, p99 {one['total_ms']['p99']:.1f} ms; "
                f"{MANY} connections {many['answers'] / many['seconds']:.0f}/s")
        )  # fmt: skip
    return rows


def _round(stage, file, same, bare, connections, seconds):
    """All peers once, one after the other, so that whatever else runs hits them alike."""
    options = {"connections": connections, "seconds": seconds, "warmup": WARM}
    latencies, rate = same.run(connections, seconds)
    found = {"pgbench_p50": percentile(latencies, 0.5), "pgbench_rate": rate}
    bare_latencies, _ = bare.run(connections, max(seconds / 2, 1))
    found["bare_p50"] = percentile(bare_latencies, 0.5)
    for name, pid, send, path in (
        ("tandem", stage.tandem.pid, stage.tandem_load, "/knowledge/search"),
        ("twin", stage.twin.pid, stage.twin_load, "/search"),
    ):
        before = common.cpu_seconds(pid)
        report = scene.check(send(path, file, **options), name)
        spent = common.cpu_seconds(pid) - before
        found[f"{name}_p50"] = report["total_ms"]["p50"]
        found[f"{name}_rate"] = report["answers"] / report["seconds"]
        # The warm-up's requests spend too: about as many a second.
        requests = report["answers"] * (1 + options["warmup"] / report["seconds"])
        found[f"{name}_cpu"] = spent / requests
    return found


def recall(stage, path, table, key, condition="true", extra=None):
    """(mean recall@10 against exact search, whether every page was full)."""
    truth = stage.exact(table, condition)
    total, full = 0.0, True
    for query, (ids, distances) in zip(stage.queries, truth):
        hits = stage.api.post(path, {"embedding": query, "limit": scene.LIMIT, **(extra or {})})["hits"]
        full &= len(hits) == len(ids)
        farthest = distances[-1] + scene.SAME
        good = sum(hit[key] in ids or 1 - hit["similarity"] <= farthest for hit in hits)
        total += good / len(ids)
    return total / len(truth), full


def recalls(stage):
    """recall@10 at every selectivity."""
    stage.sharpen("ai_kb_documents")
    rows = []
    cases = [("unfiltered", "true", None)]
    cases += [(f"filter of {share:.1%}", f"scope = '{label}'", {"scopes": [label]}) for label, share in scene.LABELS.items()]
    for name, condition, extra in cases:
        found, full = recall(stage, "/knowledge/search", "ai_kb_documents", "document_id", condition, extra)
        pages = "pages full" if full else "PAGES SHORT"
        rows.append(Row(f"recall@10 against exact, {name}, ef_search {stage.ef_search}", ">= .99, pages full", f"{found:.4f}, {pages}", "", found >= 0.99 and full))
    return rows


def memory(stage, seconds):
    """Memory search, one user's rows, with the vector given and with the query embedded."""
    stage.sharpen("ai_memories")
    found, full = recall(stage, "/memories/search", "ai_memories", "id")
    vectors = stage.bodies("memory", [{"embedding": query, "limit": scene.LIMIT} for query in stage.queries])
    words = stage.bodies("questions", [{"query": question, "limit": scene.LIMIT} for question in stage.questions])
    rows = [Row(f"memory search, {stage.memories:,} rows of one user, ef_search {stage.ef_search}: recall@10", ">= .99, pages full",
                f"{found:.4f}, {'pages full' if full else 'PAGES SHORT'}", "", found >= 0.99 and full)]  # fmt: skip
    for name, file, bar in (("vector given", vectors, 5.0), ("query embedded", words, 15.0)):
        options = {"connections": 1, "seconds": seconds, "warmup": 1}
        turns = [scene.check(stage.tandem_load("/memories/search", file, **options), name) for _ in range(ROUNDS)]
        p50 = scene.median([turn["total_ms"]["p50"] for turn in turns])
        p95 = scene.median([turn["total_ms"]["p95"] for turn in turns])
        rows.append(Row(f"memory search, {name}, 1 connection", f"p95 < {bar:.0f} ms", f"p50 {p50:.1f} ms, p95 {p95:.1f} ms",
                        f"{p95 / bar:.2f} x", p95 < bar))  # fmt: skip
    return rows
