#!/usr/bin/env python3
"""Retrieval quality on real data, through the HTTP API: recall@10, nDCG@10, MRR@10.

Starts a Tandem of its own (embedded Postgres, private folder), sends every
set's documents with a neutral title and their id as external_id, asks every
question through /knowledge/search and compares ids. No judge, no tuning.
"""

import argparse
import collections
import concurrent.futures
import json
import math
import os
import sys
import threading
import time

import common

SETS = ("cranfield", "tatqa", "locomo", "financebench")
# Sets whose questions know their scope are also asked within it.
DEPTH = 10
# Hits of pages are chunks: more are asked for, so that ten pages come together.
PAGE_DEPTH = 100
TITLE = "Document"
THREADS = 4


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

    def ranking(self, query, scope):
        if not hasattr(self.local, "api"):
            self.local.api = self.api.again()
        limit = PAGE_DEPTH if self.name == "financebench" else DEPTH
        body = {"query": query["text"], "limit": limit, "group_by": "source"}
        if scope:
            body["scopes"] = [scope]
        hits = self.local.api.post("/knowledge/search", body)["hits"]
        return list(dict.fromkeys(unit_of(self.name, hit["external_id"]) for hit in hits))


def measure(asker, queries, wanted, is_scoped):
    def one(query):
        return score(asker.ranking(query, query.get("scope") if is_scoped else None), wanted[query["id"]])

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        scores = list(pool.map(one, queries))
    return [sum(column) / len(scores) for column in zip(*scores)]


def source(document):
    made = {"title": TITLE, "external_id": document["id"], "text": document["text"]}
    if document.get("scope"):
        made["scope"] = document["scope"]
    return made


def evaluate(tandem, data, name, limits):
    documents = common.rows(data / name / "corpus.jsonl")
    wanted = judgements(data / name / "qrels.tsv", name)
    queries = [query for query in common.rows(data / name / "queries.jsonl") if wanted.get(query["id"])]
    queries = queries[: limits.queries]
    documents = reduced(documents, queries, wanted, name, limits.documents)
    api = tandem.user(f"{name}@eval.example")
    began = time.monotonic()
    failed = common.ingest(api, [source(document) for document in documents])
    spent = time.monotonic() - began
    common.say(f"{name}: {len(documents)} documents in {spent:.1f} s ({len(documents) / spent:.0f}/s), {failed} failed")
    asker = Asker(api, name)
    ways = ["global"] + (["scoped"] if all(query.get("scope") for query in queries) else [])
    for way in ways:
        began = time.monotonic()
        result = measure(asker, queries, wanted, way == "scoped")
        spent = time.monotonic() - began
        common.say(f"{name}, {way}: {len(queries)} questions in {spent:.1f} s")
        yield way, len(queries), result


def reduced(documents, queries, wanted, name, limit):
    """For a smoke run: the documents that are judged relevant, and the first others."""
    if limit is None:
        return documents
    needed = {unit for query in queries for unit in wanted[query["id"]]}
    first = [document for document in documents if unit_of(name, document["id"]) in needed]
    others = [document for document in documents if unit_of(name, document["id"]) not in needed]
    return (first + others)[: max(limit, len(first))]


def cell(values):
    return " / ".join("" if value is None else f"{value:.3f}" for value in values)


def line(name, way, count, result, baselines):
    runs = baselines.get(name, {}).get("runs", {})
    dense = runs.get(f"{way}/dense", {})
    best = baselines.get(name, {}).get("best", {}).get(way, {})
    recall, ndcg = result[:2]
    below = [
        label
        for label, value, key in (("recall", recall, "recall@10"), ("nDCG", ndcg, "ndcg@10"))
        if best.get(key) is not None and value < best[key] - 0.0005
    ]
    verdict = f"below in {' and '.join(below)}" if below else "holds"
    dense_cell = cell([dense.get("recall@10"), dense.get("ndcg@10"), dense.get("mrr@10")])
    best_cell = cell([best.get("recall@10"), best.get("ndcg@10")])
    return f"| {name}, {way} | {count} | {cell(result)} | {dense_cell} | {best_cell} | {verdict} |"


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
    baselines = json.loads((data / "baselines.json").read_text(encoding="utf-8"))
    settings = {"EMBEDDING_MODEL": os.environ.get("EMBEDDING_MODEL", "all-MiniLM-L6-v2")}
    tandem = common.Tandem("eval", DATA_DIR=common.folder("te-") / "data", **settings)
    tandem.start()
    began, lines, figures = time.monotonic(), [], []
    for name in limits.sets:
        for way, count, result in evaluate(tandem, data, name, limits):
            figures.append({"set": name, "way": way, "questions": count, **dict(zip(("recall", "ndcg", "mrr"), result))})
            lines.append(line(name, way, count, result, baselines))
    tandem.stop()
    if limits.json:
        print(json.dumps(figures, indent=1))
        return
    print(f"Machine: {common.machine()}; load average {common.load_average()}")
    print(f"Build: {common.profile()}; embedding model {settings['EMBEDDING_MODEL']}; {time.monotonic() - began:.0f} s in all")
    if limits.queries or limits.documents:
        print("A partial run: these figures are not comparable with the baselines.")
    print("\nrecall@10 / nDCG@10 / MRR@10\n")
    print("| set | questions | Tandem | dense, exact | to beat (recall / nDCG) | |")
    print("|---|---|---|---|---|---|")
    print("\n".join(lines))
    mean = sum(figure["ndcg"] for figure in figures) / len(figures)
    print(f"\nMean nDCG@10 over {len(figures)} rows: {mean:.3f} (bar over all seven: .550)")


if __name__ == "__main__":
    sys.exit(main())
