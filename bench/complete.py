"""The row about reading: everything about a portfolio of 200 positions in one answer, beside its statements alone."""

import json
import subprocess

import batch
import common
import postgres as server
import search
import stage as scene
import statements
from table import Row

POSITIONS = 200
P50_MAX_MS = 15
ROUNDS = 3
# What the application sets on its connections to core (app/src/db/connect.rs).
OPTIONS = "-c statement_timeout=60000"

# Three tags a position.
TAGS = """
INSERT INTO tags (id, user_id, name) SELECT md5('t' || t)::uuid, (SELECT id FROM users LIMIT 1), 'Tag ' || t
  FROM generate_series(1, 20) AS t;
INSERT INTO position_tags (position_id, tag_id)
SELECT md5('l1-' || l)::uuid, md5('t' || 1 + (l + t) % 20)::uuid
  FROM generate_series(1, {positions}) AS l, generate_series(1, 3) AS t;
INSERT INTO company_profiles (symbol, company_name, sector, data_source)
SELECT 'S' || s, 'Company ' || s, 'Sector ' || s % 11, 'bench' FROM generate_series(1, {symbols}) AS s;
"""


class _Place:
    """What `search.Pgbench` asks of the stage."""

    def __init__(self, postgres):
        self.postgres = postgres

    def ai_options(self):
        return OPTIONS


def complete(seconds):
    """Latency of `complete` over HTTP on one connection, and of the statements that it sends by pgbench."""
    postgres = server.Postgres()
    postgres.start()
    # Nothing else may send statements while they are counted.
    tandem = common.Tandem("complete", DATABASE_URL=postgres.url(), WORKERS="0")
    tandem.start()
    api = tandem.user("complete@bench.example")
    postgres.sql(batch.PRICES)
    postgres.sql(batch.BOOKS.format(first=batch.FIRST, portfolios=1, symbols=batch.SYMBOLS, positions=POSITIONS))
    postgres.sql(TAGS.format(positions=POSITIONS, symbols=batch.SYMBOLS))
    batch.back_fill(tandem, postgres)
    postgres.sql("VACUUM ANALYZE")
    portfolio = api.get("/portfolios")["items"][0]["id"]
    path = f"/data/portfolio/{portfolio}/complete?as_of_date={batch.LAST}"
    answer = api.get(path)
    open_lots = answer["positions_summary"]["total"]
    assert len(answer["holdings"]) == open_lots == POSITIONS and answer["data_quality"]["is_complete"], answer["data_quality"]
    captured = statements.capture(postgres, [lambda: api.get(path)])
    alone = search.Pgbench(_Place(postgres), statements.scripts(postgres.folder, captured, "complete"))
    plain, whole, theirs = [], [], []
    for _ in range(ROUNDS):
        latencies, _ = alone.run(1, seconds)
        theirs.append(search.percentile(latencies, 0.5))
        plain.append(_load(api, path, seconds))
        whole.append(_load(api, path + "&include_timeseries=true&include_attrib=true", seconds))
    tandem.stop()
    postgres.stop()
    ours, others = scene.median([turn["p50"] for turn in plain]), scene.median(theirs)
    tail, full = scene.median([turn["p99"] for turn in plain]), scene.median([turn["p50"] for turn in whole])
    return [
        Row(f"`complete`, {POSITIONS} positions with tags, 1 connection: p50", f"< {P50_MAX_MS} ms",
            f"{ours:.2f} ms (p99 {tail:.2f} ms)", f"{ours / P50_MAX_MS:.2f} x", ours < P50_MAX_MS),
        Row("", "", f"with {batch.DAYS} days and attribution {full:.2f} ms"),
        Row("", "", f"its {len(captured[0])} statements alone, pgbench: {others:.2f} ms", f"{ours / others:.2f} x"),
    ]  # fmt: skip


def _load(api, path, seconds):
    command = [common.example("load"), "--url", f"http://127.0.0.1:{api.port}{common.BASE}{path}", "--seconds", seconds]
    child = common.start(command, env={"LOAD_TOKEN": api.token}, stdout=subprocess.PIPE, text=True)
    return scene.check(json.loads(child.communicate(timeout=300)[0]), path)["total_ms"]
