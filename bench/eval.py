#!/usr/bin/env python3
"""Retrieval quality on real data, through the HTTP API: recall@10, nDCG@10, MRR@10.

Starts a Tandem of its own (embedded Postgres, private folder), sends every
set's documents with a neutral title and their id as external_id, asks every
question through /knowledge/search in each mode and compares ids. No judge, no tuning.
The baselines are computed question by question from the same vectors (/v1/embeddings),
so that differences come with their 95 % interval. A whole run writes docs/evaluation.md.
"""

import argparse
import base64
import collections
import concurrent.futures
import json
import math
import os
import sys
import threading
import time

import common
import stage

SETS = ("cranfield", "tatqa", "locomo", "financebench")
# Sets whose questions know their scope are also asked within it.
DEPTH = 10
# Hits of pages are chunks: more are asked for, so that ten pages come together.
PAGE_DEPTH = 100
TITLE = "Document"
THREADS = 4
MODES = ("dense", "lexical", "hybrid")
# Texts a request of vectors; longer ones than the model reads are cut by it.
VECTORS = 64
REPORT = common.ROOT / "docs" / "evaluation.md"


def unit_of(name, external_id):
    """What a hit counts as: FinanceBench is scored by page."""
    return external_id.rsplit("/", 1)[0] if name == "financebench" else external_id


def judgements(path, name):
    wanted = collections.defaultdict(dict)
    with open(path, encoding="utf-8") as file:
        for line in file:
            query, document, grade = line.rstrip("\n").split("\t")
            unit = unit_of(name, document)
            if int(grade) > 0:
                wanted[query][unit] = max(int(grade), wanted[query].get(unit, 0))
    return wanted


def score(ranking, wanted):
    """recall, nDCG and MRR at ten of one ranking without repetitions."""
    top = ranking[:DEPTH]
    found = sum(unit in wanted for unit in top)
    gained = sum((2 ** wanted.get(unit, 0) - 1) / math.log2(place + 2) for place, unit in enumerate(top))
    ideal = sorted(wanted.values(), reverse=True)[:DEPTH]
    best = sum((2**grade - 1) / math.log2(place + 2) for place, grade in enumerate(ideal))
    first = next((place for place, unit in enumerate(top) if unit in wanted), None)
    return found / len(wanted), gained / best, 0.0 if first is None else 1 / (first + 1)


class Asker:
    """Asks with a connection a thread."""

    def __init__(self, api, name):
        self.api, self.name, self.local = api, name, threading.local()

    def ranking(self, query, scope, mode):
        if not hasattr(self.local, "api"):
            self.local.api = self.api.again()
        limit = PAGE_DEPTH if self.name == "financebench" else DEPTH
        body = {"query": query["text"], "limit": limit, "group_by": "source", "mode": mode}
        if scope:
            body["scopes"] = [scope]
        hits = self.local.api.post("/knowledge/search", body)["hits"]
        return list(dict.fromkeys(unit_of(self.name, hit["external_id"]) for hit in hits))


def measure(asker, queries, wanted, is_scoped, mode):
    """recall, nDCG and MRR of each question."""

    def one(query):
        return score(asker.ranking(query, query.get("scope") if is_scoped else None, mode), wanted[query["id"]])

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, queries))


def vectors(api, texts):
    import numpy

    found = []
    for start in range(0, len(texts), VECTORS):
        body = {"model": api.model, "input": texts[start : start + VECTORS], "encoding_format": "base64"}
        for row in api.send("POST", "/v1/embeddings", body)["data"]:
            found.append(numpy.frombuffer(base64.b64decode(row["embedding"]), dtype="<f4"))
    return numpy.stack(found)


def baseline_scores(api, name, documents, queries, wanted, ways):
    """Each baseline's scores of each question, by way."""
    import baselines
    import numpy

    kept = [document for document in documents if document["text"].strip()]
    units = [unit_of(name, document["id"]) for document in kept]
    scopes = numpy.array([document.get("scope") or "" for document in kept])
    texts = vectors(api, [document["text"] for document in kept])
    bm25 = baselines.Bm25([document["text"] for document in kept])
    asked = vectors(api, [query["text"] for query in queries])
    scores = {way: {"dense": [], "mix": []} for way in ways}
    for query, vector in zip(queries, asked):
        cosines, words = texts @ vector, bm25.scores(query["text"])
        for way in ways:
            mask = scopes == query["scope"] if way == "scoped" else numpy.ones(len(kept), bool)
            for label, values in (("dense", cosines), ("mix", baselines.mixed(cosines, words * mask))):
                order = numpy.argsort(-numpy.where(mask, values, -numpy.inf), kind="stable")[: mask.sum()][:PAGE_DEPTH]
                ranking = list(dict.fromkeys(units[number] for number in order))
                scores[way][label].append(score(ranking, wanted[query["id"]]))
    return scores


def source(document):
    made = {"title": TITLE, "external_id": document["id"], "text": document["text"]}
    if document.get("scope"):
        made["scope"] = document["scope"]
    return made


def evaluate(tandem, data, name, limits, model):
    documents = common.rows(data / name / "corpus.jsonl")
    wanted = judgements(data / name / "qrels.tsv", name)
    queries = [query for query in common.rows(data / name / "queries.jsonl") if wanted.get(query["id"])]
    queries = queries[: limits.queries]
    documents = reduced(documents, queries, wanted, name, limits.documents)
    api = tandem.user(f"{name}@eval.example")
    api.model = model
    began = time.monotonic()
    failed = common.ingest(api, [source(document) for document in documents])
    spent = time.monotonic() - began
    common.say(f"{name}: {len(documents)} documents in {spent:.1f} s ({len(documents) / spent:.0f}/s), {failed} failed")
    asker = Asker(api, name)
    ways = ["global"] + (["scoped"] if all(query.get("scope") for query in queries) else [])
    theirs = baseline_scores(api, name, documents, queries, wanted, ways)
    for way in ways:
        ours = {}
        for mode in MODES:
            began = time.monotonic()
            ours[mode] = measure(asker, queries, wanted, way == "scoped", mode)
            common.say(f"{name}, {way}, {mode}: {len(queries)} questions in {time.monotonic() - began:.1f} s")
        yield way, [query["id"] for query in queries], ours, theirs[way]


def reduced(documents, queries, wanted, name, limit):
    """For a smoke run: the documents that are judged relevant, and the first others."""
    if limit is None:
        return documents
    needed = {unit for query in queries for unit in wanted[query["id"]]}
    first = [document for document in documents if unit_of(name, document["id"]) in needed]
    others = [document for document in documents if unit_of(name, document["id"]) not in needed]
    return (first + others)[: max(limit, len(first))]


def means(scores):
    return [sum(column) / len(scores) for column in zip(*scores)]


def cell(scores):
    return " / ".join(f"{value:.3f}" for value in means(scores)[:2])


def compared(ours, theirs, column):
    import baselines

    return baselines.bootstrap([row[column] for row in ours], [row[column] for row in theirs])


def interval(difference):
    mean, low, high = difference
    return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def row_of(name, way, questions, ours, theirs):
    best = max(theirs, key=lambda label: means(theirs[label])[1])
    ndcg, recall = (compared(ours["hybrid"], theirs[best], column) for column in (1, 0))
    below = [label for label, difference in (("nDCG", ndcg), ("recall", recall)) if difference[2] < 0]
    verdict = f"below in {' and '.join(below)}" if below else "holds"
    cells = [cell(ours[mode]) for mode in MODES] + [cell(theirs[label]) for label in ("dense", "mix")]
    return (
        f"| {name}, {way} | {len(questions)} | {' | '.join(cells)} | {best} | {interval(ndcg)} | {interval(recall)} | {verdict} |"
    )


HEAD = """| set | questions | Tandem dense | Tandem lexical | **Tandem hybrid** | dense, exact | mix | best | nDCG of hybrid less best | recall | |
|---|---|---|---|---|---|---|---|---|---|---|"""


def report(lines, mean, settings, seconds):
    model = settings["EMBEDDING_MODEL"]
    return f"""# Retrieval, measured

Written by `make eval`. recall@10 / nDCG@10; FinanceBench by page. Every set is sent and asked through the HTTP API with one
configuration. The baselines are computed from the same vectors: exact dense search, and the mix of .6 cosine and .4 BM25 / highest BM25. The last
columns compare the hybrid search with the better of the two, question by question: difference of the means and its 95 % interval (paired
bootstrap, 10,000 rounds).

{HEAD}
{chr(10).join(lines)}

Mean nDCG@10 of the hybrid search over {len(lines)} rows: **{mean:.3f}** (bar over all seven: .550).

Machine: {common.machine()}. Embedding model: {model}. {seconds:.0f} s in all.
"""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), help="which sets")
    parser.add_argument("--queries", type=int, default=None, help="only the first N questions of each set")
    parser.add_argument("--documents", type=int, default=None, help="only N documents of each set (a smoke run: figures mean little)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON instead of a table")
    return parser.parse_args()


def main():
    limits = arguments()
    common.clean_up_at_end()
    data = common.eval_data()
    if data is None:
        common.fail(
            "the evaluation data is not there",
            "set TANDEM_EVAL_DATA to the folder that holds baselines.json, cranfield/, tatqa/, locomo/ and financebench/",
        )
    settings = {"EMBEDDING_MODEL": os.environ.get("EMBEDDING_MODEL", "all-MiniLM-L6-v2")}
    tandem = common.Tandem("eval", DATA_DIR=common.folder("te-") / "data", **settings)
    tandem.start()
    began, lines, figures = time.monotonic(), [], []
    for name in limits.sets:
        for way, questions, ours, theirs in evaluate(tandem, data, name, limits, settings["EMBEDDING_MODEL"]):
            lines.append(row_of(name, way, questions, ours, theirs))
            print(lines[-1], flush=True)
            figures.append({"set": name, "way": way, "questions": questions, "ours": ours, "baselines": theirs})
    tandem.stop()
    mean = sum(means(figure["ours"]["hybrid"])[1] for figure in figures) / len(figures)
    text = report(lines, mean, settings, time.monotonic() - began)
    per_question = common.bench_cache() / "eval.json"
    per_question.write_text(json.dumps(figures), encoding="utf-8")
    common.say(f"the scores of each question are in {per_question.relative_to(common.ROOT)}")
    if limits.json:
        print(json.dumps(figures, indent=1))
        return
    print(text)
    if limits.queries or limits.documents or len(limits.sets) < len(SETS):
        print("A partial run: docs/evaluation.md stays as it is.")
        return
    REPORT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    stage.in_venv()
    sys.exit(main())
