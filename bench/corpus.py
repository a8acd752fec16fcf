"""Real vectors for the search rows: pieces of real texts and real questions,
embedded by Tandem itself, once; kept in .cache/bench.
"""

import random

import common

PIECES = 100_000
QUERIES = 250
PIECE_WORDS = 10
SETS = ("cranfield", "tatqa", "locomo", "financebench")
BATCH = 500


def _real_texts(data):
    texts, questions = [], []
    for name in SETS:
        texts += [row["text"] for row in common.rows(data / name / "corpus.jsonl")]
        questions += [row["text"] for row in common.rows(data / name / "queries.jsonl")]
    return texts, questions


def _demo_texts():
    """Without the evaluation data: the demo's documents, and sentences made of their words."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((common.ROOT / "app" / "demo").rglob("*.md"))]
    words = sorted({word for text in texts for word in text.split() if word.isalpha()})
    chance = random.Random(7)
    texts += [" ".join(chance.choices(words, k=PIECE_WORDS)) for _ in range(PIECES)]
    questions = ["What is " + " ".join(chance.choices(words, k=4)) + "?" for _ in range(QUERIES)]
    return texts, questions


def source():
    """(texts, questions, what they are)."""
    data = common.eval_data()
    if data is None:
        return (*_demo_texts(), "generated text (the evaluation data is absent)")
    return (*_real_texts(data), "pieces of the evaluation data")


def pieces(texts):
    """Texts cut into pieces of a few words, each once, in an order that is always the same."""
    found = {}
    for text in texts:
        words = text.replace("\0", " ").split()
        for begin in range(0, len(words), PIECE_WORDS):
            part = words[begin : begin + PIECE_WORDS]
            if len(part) >= PIECE_WORDS // 2:
                found.setdefault(" ".join(part).lower(), " ".join(part))
    chosen = list(found.values())
    random.Random(7).shuffle(chosen)
    return chosen[:PIECES]


def load(postgres):
    """Fills bench.vectors (i, content, embedding) and bench.queries; makes the files at the first run.

    Answers what the texts are.
    """
    texts, questions, what = source()
    chance = random.Random(11)
    questions = chance.sample(sorted(set(questions)), min(QUERIES, len(set(questions))))
    kind = "real" if common.eval_data() else "generated"
    cache = common.bench_cache()
    files = {name: cache / f"{name}-{kind}-{PIECES}.copy" for name in ("vectors", "queries")}
    postgres.sql(
        "CREATE EXTENSION IF NOT EXISTS vector; CREATE SCHEMA bench;"
        "CREATE TABLE bench.vectors (i integer PRIMARY KEY, content text NOT NULL, embedding vector(384) NOT NULL);"
        "CREATE TABLE bench.queries (LIKE bench.vectors INCLUDING ALL);"
    )
    if not all(path.exists() for path in files.values()):
        _embed(pieces(texts), questions, files)
    for name, path in files.items():
        postgres.psql("-c", f"\\copy bench.{name} FROM '{path}' WITH (FORMAT binary)")
    postgres.sql("ANALYZE bench.vectors; ANALYZE bench.queries")
    return what


def _embed(texts, questions, files):
    """Embeds by storing memories in a Tandem of its own, which embeds what it is given and nothing else."""
    import postgres as server

    common.say(f"embedding {len(texts)} texts, once; this takes minutes")
    own = server.Postgres()
    own.start()
    tandem = common.Tandem("embed", DATABASE_URL=own.url(), WORKERS=0)
    tandem.start()
    api = tandem.user("embed@bench.example")
    own.sql("DROP INDEX ix_ai_memories_embedding_hnsw")
    for scope, contents in (("queries", questions), ("vectors", texts)):
        for begin in range(0, len(contents), BATCH):
            items = [
                {"content": content, "scope": scope, "external_id": str(begin + place)}
                for place, content in enumerate(contents[begin : begin + BATCH])
            ]
            answer = api.post("/memories/batch", {"items": items})
            wrong = [item for item in answer["items"] if item["status"] == "rejected"]
            if wrong:
                raise RuntimeError(f"a text was rejected: {wrong[0]}")
            if begin % (20 * BATCH) == 0:
                common.say(f"{scope}: {begin + len(items)} of {len(contents)}")
    for name, path in files.items():
        rows = f"SELECT external_id::integer, content, embedding FROM ai_memories WHERE scope = '{name}'"
        partial = path.with_suffix(".partial")
        own.psql("-c", f"\\copy ({rows}) TO '{partial}' WITH (FORMAT binary)")
        partial.rename(path)
    tandem.stop()
    own.stop()


if __name__ == "__main__":
    common.clean_up_at_end()
    import postgres as server

    mine = server.Postgres()
    mine.start()
    print(load(mine), mine.sql("SELECT (SELECT count(*) FROM bench.vectors), (SELECT count(*) FROM bench.queries)"))
