"""Real vectors for the search rows: pieces of real texts and real questions,
embedded by Tandem itself, once; kept in .cache/bench.
"""

import random

import common

PASSAGES = 50_000
MEMORIES = 100_000
QUERIES = 250
# Words of a piece, and from its beginning to the next one's. Passages overlap
# a little, as chunks do; memories are short.
PASSAGE_WORDS, PASSAGE_STEP = 24, 20
MEMORY_WORDS, MEMORY_STEP = 10, 10
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
    texts += [" ".join(chance.choices(words, k=PASSAGE_WORDS)) for _ in range(MEMORIES)]
    questions = ["What is " + " ".join(chance.choices(words, k=4)) + "?" for _ in range(QUERIES)]
    return texts, questions


def source():
    """(texts, questions, what they are)."""
    data = common.eval_data()
    if data is None:
        return (*_demo_texts(), "generated text (the evaluation data is absent)")
    return (*_real_texts(data), "pieces of the evaluation data")


def pieces(texts, length, step, most):
    """Texts cut into pieces of a few words, each once, in an order that is always the same."""
    found = {}
    for text in texts:
        words = text.replace("\0", " ").split()
        for begin in range(0, len(words), step):
            part = words[begin : begin + length]
            if len(part) >= length // 2:
                found.setdefault(" ".join(part).lower(), " ".join(part))
    chosen = list(found.values())
    random.Random(7).shuffle(chosen)
    return chosen[:most]


def files():
    """The cached files: rows of (i, content, embedding) in Postgres's own binary format."""
    kind = "real" if common.eval_data() else "generated"
    counts = {"passages": PASSAGES, "memories": MEMORIES, "queries": QUERIES}
    return {name: common.bench_cache() / f"{name}-{kind}-{count}.copy" for name, count in counts.items()}


def load(postgres):
    """Fills bench.passages, bench.memories and bench.queries (i, content, embedding); embeds what is not cached.

    Answers what the texts are.
    """
    texts, questions, what = source()
    wanted = {
        "queries": lambda: random.Random(11).sample(sorted(set(questions)), min(QUERIES, len(set(questions)))),
        "passages": lambda: pieces(texts, PASSAGE_WORDS, PASSAGE_STEP, PASSAGES),
        "memories": lambda: pieces(texts, MEMORY_WORDS, MEMORY_STEP, MEMORIES),
    }
    missing = {name: make() for name, make in wanted.items() if not files()[name].exists()}
    if missing:
        _embed(missing)
    postgres.sql("CREATE EXTENSION IF NOT EXISTS vector; CREATE SCHEMA bench")
    for name, path in files().items():
        postgres.sql(f"CREATE TABLE bench.{name} (i integer PRIMARY KEY, content text NOT NULL, embedding vector(384) NOT NULL)")
        postgres.psql("-c", f"\\copy bench.{name} FROM '{path}' WITH (FORMAT binary)")
        postgres.sql(f"ANALYZE bench.{name}")
    return what


def _embed(wanted):
    """Embeds by storing memories in a Tandem of its own, which embeds what it is given and nothing else."""
    import postgres as server

    own = server.Postgres()
    own.start()
    tandem = common.Tandem("embed", DATABASE_URL=own.url(), WORKERS=0)
    tandem.start()
    api = tandem.user("embed@bench.example")
    own.sql("DROP INDEX ix_ai_memories_embedding_hnsw")
    for scope, contents in wanted.items():
        common.say(f"embedding {len(contents)} {scope}, once; this takes minutes")
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
        path = files()[scope]
        partial = path.with_suffix(".partial")
        rows = f"SELECT external_id::integer, content, embedding FROM ai_memories WHERE scope = '{scope}'"
        own.psql("-c", f"\\copy ({rows}) TO '{partial}' WITH (FORMAT binary)")
        partial.rename(path)
    tandem.stop()
    own.stop()


if __name__ == "__main__":
    common.clean_up_at_end()
    import postgres as server

    mine = server.Postgres()
    mine.start()
    print(load(mine), mine.sql("SELECT (SELECT count(*) FROM bench.passages), (SELECT count(*) FROM bench.memories)"))
