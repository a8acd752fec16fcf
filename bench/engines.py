#!/usr/bin/env python3
"""The engines of both legs beside each other, in SQL alone: build time, size, time of a query, recall.

    scripts/setup.sh engines && python3 bench/engines.py --rows 5000 50000

Vectors are generated: 384 numbers near a space of 40 dimensions, around 200 centres, as embeddings of
real texts are around topics. Words are generated too, few of them frequent and many rare. The two engines of words
are asked for what Tandem asks its own for, the texts of the question's rarest words, and for the ten best.
"""

import argparse
import os
import threading
import time

import common

os.environ.setdefault("POSTGRES_DIR", str(common.setup_cache() / "postgres-engines" / "pgserver" / "pginstall"))

import postgres as server  # noqa: E402

LIMIT = 10
# As app/src/db/vector/compressed.rs reads DiskANN's: four times what is wanted, at least 100.
READ = {"HNSW": LIMIT, "IVFFlat": LIMIT, "DiskANN": 100}
SETTINGS = {
    "HNSW": "SET hnsw.ef_search = 300; SET hnsw.iterative_scan = relaxed_order;",
    "IVFFlat": "SET ivfflat.probes = 10; SET ivfflat.iterative_scan = relaxed_order;",
    "DiskANN": "SET diskann.query_search_list_size = 100;",
}
# The last lets rows of a tenth of the centres pass, mostly of others than the question's.
FILTERS = {"all": "true", "10 %": "tenth = 3", "1 %": "hundredth = 42", "10 %, other topics": "topic = 3"}
# A writer that is slow to end its transaction.
OPEN_SECONDS = 2

VECTORS = """
CREATE EXTENSION vector; CREATE EXTENSION vectorscale; CREATE EXTENSION pg_textsearch;
SELECT setseed(0.42);
CREATE FUNCTION times(v vector, by float8) RETURNS vector LANGUAGE sql AS $$ SELECT v * array_fill(by::real, ARRAY[384])::vector $$;
CREATE TABLE directions AS
 SELECT d, (SELECT array_agg(random() - 0.5) FROM generate_series(1, 384) WHERE d > 0)::vector AS v FROM generate_series(1, 40) d;
CREATE TABLE centres AS
 SELECT c, sum(times(v, random() * 2 - 1)) AS v FROM generate_series(0, 199) c, directions GROUP BY c;
CREATE TABLE passages (id int PRIMARY KEY, tenth int, hundredth int, topic int, embedding vector(384));
ALTER TABLE passages ALTER COLUMN embedding SET STORAGE PLAIN;
CREATE TABLE questions (id int, v vector(384));
CREATE FUNCTION made(n int) RETURNS vector LANGUAGE sql AS $$
 SELECT (SELECT v FROM centres WHERE c = n * 7919 %% 200) + sum(times(v, (random() * 2 - 1) * 0.8))
   FROM directions WHERE (d + n) %% 3 = 0 $$;
"""
FILLED = """
SELECT setseed(0.43);
INSERT INTO passages SELECT n, abs(hashint4(n) %% 10), abs(hashint4(n + 1000000) %% 100), n %% 10, made(n) FROM generate_series(0, {rows} - 1) n;
INSERT INTO questions SELECT n, made(n) FROM generate_series(0, {queries} - 1) n;
ANALYZE passages;
"""
MEASURE = """
CREATE TABLE asked (filter text, q int, last float8, PRIMARY KEY (filter, q));
CREATE FUNCTION exact(condition text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE it record; distance float8;
BEGIN
    FOR it IN SELECT * FROM questions LOOP
        EXECUTE format('SELECT max(d) FROM (SELECT (embedding <=> $1) + 0.0 AS d FROM passages WHERE %s ORDER BY 1 LIMIT {limit}) AS near', condition)
           INTO distance USING it.v;
        INSERT INTO asked VALUES (condition, it.id, distance);
    END LOOP;
END $$;
CREATE FUNCTION measured(condition text, reads int) RETURNS TABLE (recall float8, p50 float8, p95 float8) LANGUAGE plpgsql AS $$
DECLARE it record; began timestamptz; hits int; found int := 0; wanted int := 0; times float8[] := '{{}}';
BEGIN
    FOR it IN SELECT questions.*, asked.last FROM questions JOIN asked ON q = id AND filter = condition LOOP
        began := clock_timestamp();
        EXECUTE format('SELECT count(*) FILTER (WHERE d <= $2 + 1e-6) FROM (SELECT d FROM (SELECT embedding <=> $1 AS d FROM passages
                         WHERE %s ORDER BY d LIMIT %s) AS read ORDER BY d + 0.0 LIMIT {limit}) AS best', condition, reads)
           INTO hits USING it.v, it.last;
        times := times || extract(epoch FROM clock_timestamp() - began)::float8 * 1000;
        found := found + hits; wanted := wanted + {limit};
    END LOOP;
    RETURN QUERY SELECT found::float8 / wanted, percentile_cont(0.5) WITHIN GROUP (ORDER BY t), percentile_cont(0.95) WITHIN GROUP (ORDER BY t)
                   FROM unnest(times) AS t;
END $$;
"""
# A word's name is letters only, so that the parser of texts takes it for one word.
WORDS = """
CREATE FUNCTION word_name(word int) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT translate(md5(word::text), '0123456789', 'ghijklmnop') $$;
CREATE TABLE texts (id int PRIMARY KEY, keys bigint[], words text);
SELECT setseed(0.44);
INSERT INTO texts
SELECT n, array_agg(DISTINCT w::bigint), string_agg(word_name(w), ' ')
  FROM generate_series(0, {rows} - 1) n, LATERAL (SELECT floor(power(random(), 3) * 20000)::int AS w FROM generate_series(1, 60) WHERE n >= 0) AS drawn
 GROUP BY n;
CREATE TABLE asked_words AS
SELECT q, array_agg(w::bigint) AS keys, string_agg(word_name(w), ' ') AS words
  FROM generate_series(1, {queries}) q, LATERAL (SELECT floor(power(random(), 2) * 8000)::int AS w FROM generate_series(1, 6) WHERE q > 0) AS drawn GROUP BY q;
ANALYZE texts;
CREATE FUNCTION words_measured(statement text) RETURNS TABLE (p50 float8, p95 float8) LANGUAGE plpgsql AS $$
DECLARE it record; began timestamptz; times float8[] := '{{}}';
BEGIN
    FOR it IN SELECT * FROM asked_words LOOP
        began := clock_timestamp();
        EXECUTE statement USING it.keys, it.words;
        times := times || extract(epoch FROM clock_timestamp() - began)::float8 * 1000;
    END LOOP;
    RETURN QUERY SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY t), percentile_cont(0.95) WITHIN GROUP (ORDER BY t) FROM unnest(times) AS t;
END $$;
"""
BY_KEYS = "SELECT count(*) FROM (SELECT id, words FROM texts WHERE keys && (SELECT array_agg(k) FROM (SELECT k FROM unnest($1) k ORDER BY k DESC LIMIT 3) r) LIMIT 1000) AS read"
BY_BM25 = "SELECT count(*) FROM (SELECT id, words FROM texts ORDER BY words <@> to_bm25query($2, 'texts_words') LIMIT {limit}) AS read"


def build(db, statement):
    began = time.monotonic()
    db.sql(f"SET maintenance_work_mem = '256MB'; SET max_parallel_maintenance_workers = 2; {statement}")
    return time.monotonic() - began


def size(db, index):
    return int(db.sql(f"SELECT pg_relation_size('{index}')")[0][0]) / 1024 / 1024


def vectors(db, rows):
    lists = max(rows // 1000, 10)
    for engine, using in (
        ("HNSW", "hnsw (embedding vector_cosine_ops) WITH (m = 16, ef_construction = 64)"),
        ("IVFFlat", f"ivfflat (embedding vector_cosine_ops) WITH (lists = {lists})"),
        ("DiskANN", "diskann (embedding vector_cosine_ops)"),
    ):
        seconds = build(db, f"CREATE INDEX passages_vector ON passages USING {using}")
        cells = [f"{rows:,}", engine, f"{seconds:.1f} s", f"{size(db, 'passages_vector'):.1f} MB"]
        for condition in FILTERS.values():
            settings = f"SET enable_seqscan = off; SET enable_bitmapscan = off; {SETTINGS[engine]}"
            recall, p50, p95 = map(float, db.sql(f"{settings} SELECT * FROM measured('{condition}', {READ[engine]})")[0])
            cells.append(f"{recall:.3f}, {p50:.1f} ms ({p95:.1f})")
        print(f"| {' | '.join(cells)} |", flush=True)
        db.sql("DROP INDEX passages_vector")


def words(db, rows):
    for name, index, using, statements in (
        ("GIN over keys (Tandem's own)", "texts_keys", "gin (keys) WITH (fastupdate = off)", [BY_KEYS]),
        ("bm25 (pg_textsearch)", "texts_words", "bm25 (words) WITH (text_config = 'simple')", [BY_BM25.format(limit=n) for n in (1000, LIMIT)]),
    ):
        seconds = build(db, f"CREATE INDEX {index} ON texts USING {using}")
        cells = [f"{rows:,}", name, f"{seconds:.1f} s", f"{size(db, index):.1f} MB"]
        for statement in statements:
            quoted = statement.replace("'", "''")
            p50, p95 = map(float, db.sql(f"SET enable_seqscan = off; SELECT * FROM words_measured('{quoted}')")[0])
            cells.append(f"{p50:.1f} ms ({p95:.1f})")
        cells += ["-"] * (6 - len(cells))
        cells.append(f"{beside_a_writer(db, statements[0]):.0f} ms")
        print(f"| {' | '.join(cells)} |", flush=True)
        db.sql(f"DROP INDEX {index}")


def beside_a_writer(db, statement):
    """How long a search takes while a transaction that inserted a text is open."""
    insert = f"BEGIN; INSERT INTO texts VALUES (-1, '{{1}}', word_name(1)); SELECT pg_sleep({OPEN_SECONDS}); ROLLBACK;"
    writer = threading.Thread(target=db.sql, args=(insert,))
    writer.start()
    time.sleep(0.5)
    asked = statement.replace("$1", "ARRAY[1, 2, 3]::bigint[]").replace("$2", "word_name(1)")
    began = time.monotonic()
    db.sql(f"SET enable_seqscan = off; {asked}")
    seconds = time.monotonic() - began
    writer.join()
    return seconds * 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[5000, 50_000])
    parser.add_argument("--queries", type=int, default=100)
    given = parser.parse_args()
    common.clean_up_at_end()
    server.SETTINGS["shared_preload_libraries"] = "pg_textsearch"
    db = server.Postgres()
    db.start()
    versions = db.sql("SELECT string_agg(name || ' ' || default_version, ', ' ORDER BY name) FROM pg_available_extensions WHERE name IN ('vector', 'vectorscale', 'pg_textsearch')")
    print(f"{common.machine()}; PostgreSQL {db.sql('SHOW server_version')[0][0]}, {versions[0][0]}; load {common.load_average()}\n")
    print(f"Recall@{LIMIT} against exact search, median time of a query (95th percentile):\n")
    print(f"| rows | vector engine | build | index | {' | '.join(FILTERS)} |\n|---|---|---|---|---|---|---|---|", flush=True)
    for rows in given.rows:
        db.sql("DROP DATABASE IF EXISTS bench", database="postgres")
        db.sql("CREATE DATABASE bench", database="postgres")
        db.sql(VECTORS.replace("%%", "%") + FILLED.format(rows=rows, queries=given.queries).replace("%%", "%"))
        db.sql(MEASURE.format(limit=LIMIT))
        for condition in FILTERS.values():
            db.sql(f"SET enable_indexscan = off; SELECT exact('{condition}')")
        vectors(db, rows)
    print("\n| rows | word engine | build | index | 1,000 texts | ten best | beside an open writer |\n|---|---|---|---|---|---|---|", flush=True)
    for rows in given.rows:
        db.sql("DROP TABLE IF EXISTS texts, asked_words; DROP FUNCTION IF EXISTS word_name, words_measured")
        db.sql(WORDS.format(rows=rows, queries=given.queries))
        words(db, rows)
    db.stop()


main()
