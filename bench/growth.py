"""How searching grows with the number of passages, and what building an index costs, before and after the rows, of either kind."""

import time

import common
import search
import stage as scene
from table import Row

SMALL = 5_000
# Of each passage, with it: real texts are too few for more.
VARIANTS = 10
# A variant is the passage's vector and noise of this length, scaled to length 1 again: a cosine of .89 to it.
NOISE = 0.5
DIMENSIONS = 384
NOISES = 1_000
BUILD_MEMORY = "2GB"
# Exact search over all rows is what takes time.
RECALL_QUERIES = 50
# Rows of the comparison of index builds.
BUILT = 20_000
KINDS = {
    "HNSW, m 16, ef_construction 64": ("hnsw (embedding vector_cosine_ops) WITH (m = 16, ef_construction = 64)", "hnsw.ef_search = 300"),
    "IVFFlat, lists 141, probes 12": ("ivfflat (embedding vector_cosine_ops) WITH (lists = 141)", "ivfflat.probes = 12"),
}


def growth(seconds):
    """The service over 5,000, 50,000 and 500,000 passages of one user."""
    stage = scene.Stage()
    stage.open()
    stage.recall_queries = RECALL_QUERIES
    rows, first = [], None
    for load in (_small, _real, _variants):
        common.say(f"growth: {load.__name__[1:]}")
        with stage.without_index("ix_ai_kb_documents_embedding_hnsw", BUILD_MEMORY) as built:
            load(stage)
        stage.postgres.sql("VACUUM ANALYZE")
        stage.postgres.sql("CHECKPOINT")
        stage.ask()
        measured = _measure(stage, seconds)
        first = first or measured
        rows += _rows(stage, built[0], measured, first)
    stage.tandem.stop()
    rows += _builds(stage)
    stage.postgres.stop()
    return rows


def _small(stage):
    stage.postgres.sql(stage.passages_of(f"FROM (SELECT * FROM bench.passages WHERE i < {SMALL}) AS rows"))
    stage.index_words()


def _real(stage):
    stage.postgres.sql(stage.passages_of(f"FROM (SELECT * FROM bench.passages WHERE i >= {SMALL}) AS rows"))
    stage.index_words()


def _variants(stage):
    """Rows like those there are; a variant has the words of its passage."""
    stage.postgres.sql(
        f"""
        SELECT setseed(.7);
        CREATE TABLE bench.noise AS
        SELECT n, l2_normalize(array_agg(random() - .5)::vector) * array_fill({NOISE}, ARRAY[{DIMENSIONS}])::vector AS embedding
          FROM generate_series(0, {NOISES - 1}) AS n, generate_series(1, {DIMENSIONS}) GROUP BY n;
        ALTER TABLE bench.noise ADD PRIMARY KEY (n);
        CREATE TABLE bench.variants AS
        SELECT p.i + 1000000 * v AS i, p.content, l2_normalize(p.embedding + n.embedding) AS embedding
          FROM bench.passages AS p, generate_series(1, {VARIANTS - 1}) AS v
          JOIN bench.noise AS n ON true WHERE n.n = (p.i * 7 + v * 131) % {NOISES};
        """
    )
    stage.postgres.sql(stage.passages_of("FROM bench.variants"))
    stage.postgres.sql(
        f"""
        INSERT INTO ai_kb_words (document_id, keys, sequence, labels, version)
        SELECT {scene.uuid_sql("d").replace("i)", "v.i)")}, w.keys, w.sequence, w.labels, w.version
          FROM bench.variants AS v JOIN ai_kb_words AS w ON w.document_id = md5('d' || v.i % 1000000)::uuid
        """
    )
    stage.index_words()


def _measure(stage, seconds):
    """recall and latencies in ms at the smallest ef_search with the recall that is asked for."""
    stage.sharpen("ai_kb_documents")
    found, full = search.recall(stage, "/knowledge/search", "ai_kb_documents", "document_id")
    bodies, captured = search.sequences(stage, "/knowledge/search")
    same = search.Pgbench(stage, search.statements.scripts(stage.postgres.folder, captured, "growth"))
    options = {"connections": 1, "seconds": seconds, "warmup": search.WARM}
    latencies, _ = same.run(1, seconds)
    ways = {"vector": stage.bodies("growth", bodies)}
    for mode in ("lexical", "hybrid"):
        ways[mode] = stage.bodies(mode, [{"query": question, "limit": scene.LIMIT, "mode": mode} for question in stage.questions])
    reports = {name: scene.check(stage.tandem_load("/knowledge/search", file, **options), name) for name, file in ways.items()}
    many = scene.check(stage.tandem_load("/knowledge/search", ways["vector"], **{**options, "connections": search.MANY}), "many")
    return {
        "recall": found,
        "full": full,
        "pgbench": search.percentile(latencies, 0.5),
        "rate": many["answers"] / many["seconds"],
        **{name: report["total_ms"]["p50"] for name, report in reports.items()},
    }


def _rows(stage, built, measured, first):
    size = stage.postgres.sql("SELECT pg_size_pretty(pg_relation_size('ix_ai_kb_documents_embedding_hnsw')), pg_size_pretty(pg_relation_size('ix_ai_kb_words_keys'))")[0]
    against = "".join(f"; {name} {measured[name] / first[name]:.2f} x" for name in ("vector", "lexical", "hybrid")) if measured is not first else ""
    pages = "pages full" if measured["full"] else "PAGES SHORT"
    return [
        Row(f"growth: {stage.passages:,} passages, ef_search {stage.ef_search}: p50, 1 connection", "at most logarithmic",
            f"vector {measured['vector']:.2f} ms (pgbench {measured['pgbench']:.2f}, {search.MANY} connections {measured['rate']:.0f}/s), "
            f"words {measured['lexical']:.2f}, both {measured['hybrid']:.2f}; recall@10 {measured['recall']:.4f}, {pages}",
            against.removeprefix("; ")),
        Row("", "", f"vector index built after the rows in {built:.0f} s, {size[0]}; index over words {size[1]}"),
    ]  # fmt: skip


def _builds(stage):
    """The same rows with an index that is there before them and one that is built after, of either kind."""
    postgres = stage.postgres
    truth = f"SELECT i, embedding FROM bench.passages WHERE i < {BUILT}"
    postgres.sql(f"CREATE TABLE bench.built AS {truth}")
    rows = []
    for name, (kind, width) in KINDS.items():
        after = _seconds(postgres, f"SET maintenance_work_mem = '{BUILD_MEMORY}'; CREATE INDEX ix_built ON bench.built USING {kind}")
        found, took = _recall(postgres, width)
        line = f"{BUILT:,} rows: built after them in {after:.1f} s; recall@10 {found:.4f}, {took:.2f} ms a search with {width}"
        if name.startswith("HNSW"):
            postgres.sql(f"CREATE TABLE bench.before (LIKE bench.built); CREATE INDEX ON bench.before USING {kind}")
            before = _seconds(postgres, "INSERT INTO bench.before SELECT * FROM bench.built")
            line += f"; rows into the ready index {before:.1f} s, {before / after:.1f} x"
        postgres.sql("DROP INDEX bench.ix_built")
        rows.append(Row(name, "", line))
    return rows


def _recall(postgres, width):
    """Against exact search, and milliseconds of one search."""
    nearest = f"""SELECT string_agg(nearest.i::text, ' ') FROM bench.queries AS q CROSS JOIN LATERAL (
        SELECT i FROM bench.built ORDER BY embedding <=> q.embedding LIMIT {scene.LIMIT}) AS nearest
        WHERE q.i < {scene.RECALL_QUERIES} GROUP BY q.i ORDER BY q.i"""
    exact = postgres.sql(f"SET enable_indexscan = off; {nearest}")
    began = time.monotonic()
    found = postgres.sql(f"SET {width}; SET enable_seqscan = off; {nearest}")
    took = (time.monotonic() - began) / len(found) * 1000
    shared = [len(set(one[0].split()) & set(other[0].split())) / scene.LIMIT for one, other in zip(exact, found)]
    return sum(shared) / len(shared), took


def _seconds(postgres, statement):
    began = time.monotonic()
    postgres.sql(statement)
    return time.monotonic() - began
