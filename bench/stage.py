"""What the rows are played on: one Postgres with the same vectors in Tandem's
tables and in its twin's, the scripted model server, the load generator.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import statistics
import time
import urllib.request
import uuid

import common
import corpus
import postgres as server

TWIN_SECRET = "a secret of the bench's own, 32 bytes"
MEMORIES = 100_000
# Words are indexed and counted within this.
INDEXING_SECONDS = 600
# The defaults (app/config/default.toml, hnsw_ef_search), and what is tried when recall is below its bar with it.
EF_SEARCH = {"ai_kb_documents": (300, 400, 600, 800, 1000), "ai_memories": (120, 160, 200, 300, 400, 600, 800, 1000)}
SETTING = {"ai_kb_documents": "TANDEM__KNOWLEDGE__HNSW_EF_SEARCH", "ai_memories": "TANDEM__MEMORY__HNSW_EF_SEARCH"}
RECALL = 0.99
RECALL_QUERIES = 200
LIMIT = 10
# Distances of equal vectors differ in the last digits.
SAME = 1e-6
TITLE = "Document"
# Labels of the filters: their share of the rows.
LABELS = {"ten": 0.1, "one": 0.01, "tenth": 0.001}

LABEL = "CASE WHEN i % 10 = 2 THEN 'ten' WHEN i % 100 = 1 THEN 'one' WHEN i % 1000 = 0 THEN 'tenth' ELSE 'rest' END"


def uuid_sql(kind):
    return f"md5('{kind}' || i)::uuid"


def uuid_of(kind, i):
    return str(uuid.UUID(hashlib.md5(f"{kind}{i}".encode(), usedforsecurity=False).hexdigest()))


class Stage:
    """Everything that is measured, on one database server."""

    def __init__(self):
        self.postgres = server.Postgres()
        self.postgres.start()
        self.folder = common.folder("tb-")
        self.provider = None
        self.tandem = self.twin = self.api = None
        self.what = ""
        self.ef_search = EF_SEARCH["ai_kb_documents"][0]
        self.recall_queries = RECALL_QUERIES

    # --- Data -----------------------------------------------------------------------------

    def fill(self):
        """Tandem's tables and the twin's, with the same rows; indexes are built after."""
        self.open()
        with self.without_index("ix_ai_kb_documents_embedding_hnsw"):
            self.postgres.sql(self.passages_of())
        with self.without_index("ix_ai_memories_embedding_hnsw"):
            self.postgres.sql(self._memories())
        self.index_words()
        self.postgres.sql("VACUUM ANALYZE")
        # What filling wrote is on the disk before anything is measured: turns wait for the same disk.
        self.postgres.sql("CHECKPOINT")
        os.sync()
        self.ask()
        self.memories = int(self.postgres.sql("SELECT count(*) FROM ai_memories")[0][0])

    def ask(self):
        """Reads the questions, and how many passages there are."""
        self.queries = [json.loads(row[0]) for row in self.postgres.sql("SELECT embedding FROM bench.queries ORDER BY i")]
        self.questions = [row[0] for row in self.postgres.sql("SELECT content FROM bench.queries ORDER BY i")]
        self.passages = int(self.postgres.sql("SELECT count(*) FROM ai_kb_documents")[0][0])

    def open(self):
        """A user of Tandem, and the vectors at hand."""
        self.start_tandem()
        self.api = self.tandem.user("bench@bench.example")
        self.what = corpus.load(self.postgres)

    def index_words(self):
        """Rows that SQL wrote have no words yet: Tandem indexes them when it starts, and folds their counts."""
        self.start_tandem()
        began = time.monotonic()
        left = "SELECT (SELECT count(*) FROM ai_kb_documents) - (SELECT count(*) FROM ai_kb_words), (SELECT count(*) FROM ai_kb_word_changes)"
        while self.postgres.sql(left)[0] != ["0", "0"]:
            if time.monotonic() - began > INDEXING_SECONDS:
                raise RuntimeError("the words of the passages were not indexed in time")
            time.sleep(1)
        common.say(f"the words of the passages are indexed: {time.monotonic() - began:.0f} s")

    @contextlib.contextmanager
    def without_index(self, name, memory="512MB"):
        """Builds the index after what is loaded within; answers a list that the seconds of the build are put into."""
        made = self.postgres.sql(f"SELECT pg_get_indexdef('{name}'::regclass)")[0][0]
        self.postgres.sql(f"DROP INDEX {name}")
        seconds = []
        yield seconds
        began = time.monotonic()
        self.postgres.sql(f"SET maintenance_work_mem = '{memory}'; " + made)
        seconds.append(time.monotonic() - began)

    def passages_of(self, rows="FROM bench.passages"):
        owner = "(SELECT id FROM users WHERE email = 'bench@bench.example')"
        tenant = "(SELECT tenant_id FROM users WHERE email = 'bench@bench.example')"
        return f"""
            INSERT INTO ai_kb_sources (id, owner_id, tenant_id, external_id, scope, title, media_type, content, content_hash, status, documents)
            SELECT {uuid_sql("s")}, {owner}, {tenant}, 'piece-' || i, {LABEL}, '{TITLE}', 'text/plain', content,
                   sha256(convert_to(content, 'UTF8')), 'ready', 1 {rows};
            INSERT INTO ai_kb_documents (id, source_id, owner_id, tenant_id, scope, title, content, position, char_start, char_end, tokens, embedding)
            SELECT {uuid_sql("d")}, {uuid_sql("s")}, {owner}, {tenant}, {LABEL}, '{TITLE}', content, 0, 0, length(content), 16, embedding {rows};
        """

    def _memories(self):
        owner = "(SELECT id FROM users WHERE email = 'bench@bench.example')"
        tenant = "(SELECT tenant_id FROM users WHERE email = 'bench@bench.example')"
        return f"""
            INSERT INTO ai_memories (id, owner_id, tenant_id, scope, external_id, content, content_hash, origin, embedding)
            SELECT {uuid_sql("m")}, {owner}, {tenant}, 'bench', 'memory-' || i, content, sha256(convert_to(content, 'UTF8')), 'user', embedding
              FROM (SELECT i, content, embedding FROM bench.passages
                    UNION ALL SELECT i + {MEMORIES}, content, embedding FROM bench.memories ORDER BY i LIMIT {MEMORIES}) AS rows;
        """

    # --- Recall ------------------------------------------------------------------------------

    def exact(self, table, condition="true"):
        """The ids and distances of the ten nearest rows for each query, all rows compared."""
        rows = self.postgres.sql(
            "SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off;"
            + self._nearest(table, condition)
        )
        return [(json.loads(ids), json.loads(distances)) for ids, distances in rows]

    def _nearest(self, table, condition):
        return f"""
            SELECT n.* FROM bench.queries AS q CROSS JOIN LATERAL (
                SELECT json_agg(id ORDER BY distance), json_agg(distance ORDER BY distance) FROM (
                    SELECT id, embedding <=> q.embedding AS distance FROM {table} WHERE {condition}
                     ORDER BY embedding <=> q.embedding LIMIT {LIMIT}) AS nearest) AS n
             WHERE q.i < {self.recall_queries} ORDER BY q.i"""

    def sharpen(self, table):
        """Restarts Tandem with the smallest ef_search at which recall over this table meets its bar."""
        truth = self.exact(table)
        for self.ef_search in EF_SEARCH[table]:
            rows = self.postgres.sql(f"SET hnsw.ef_search = {self.ef_search}; SET enable_seqscan = off;" + self._nearest(table, "true"))
            found = 0.0
            for (_, distances), (_, exact) in zip(rows, truth):
                found += sum(distance <= exact[-1] + SAME for distance in json.loads(distances)) / len(exact)
            common.say(f"{table}: recall@10 {found / len(truth):.4f} at ef_search {self.ef_search}")
            if found / len(truth) >= RECALL:
                break
        self.start_tandem(**{SETTING[table]: self.ef_search})

    def ai_options(self):
        """What Tandem sets on its connections to ai (app/src/db/connect.rs)."""
        return (
            f"-c hnsw.iterative_scan=relaxed_order -c hnsw.ef_search={self.ef_search}"
            " -c plan_cache_mode=force_custom_plan -c statement_timeout=60000"
        )

    # --- Processes -----------------------------------------------------------------------

    def start_tandem(self, **settings):
        """Tandem in single-database mode, so that pgbench can send everything on one connection."""
        if self.tandem:
            self.tandem.stop()
        self.tandem = common.Tandem("tandem", DATABASE_URL=self.postgres.url(), **settings)
        self.tandem.start()
        if self.api:
            self.api = common.Api(self.tandem.port, self.api.token)

    def start_provider(self):
        if self.provider is None:
            import subprocess

            child = common.start([common.example("provider")], stdout=subprocess.PIPE, text=True)
            self.provider = child.stdout.readline().strip()
        return self.provider

    def teach(self, script, questions):
        """Tells the provider how to answer these questions."""
        told = "\n".join([script, *questions])
        request = urllib.request.Request(f"{self.start_provider()}/scripts", told.encode())
        urllib.request.urlopen(request, timeout=5).read()

    def start_twin(self):
        if self.twin:
            return
        python = peer_python()
        self._fill_twin()
        self.twin_port = common.free_port()
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "TWIN_DATABASE_URL": f"postgresql+asyncpg://{server.USER}@/twin",
            "TWIN_SOCKET_DIR": str(self.postgres.folder),
            "TWIN_SECRET": TWIN_SECRET,
            "TWIN_PROVIDER": self.start_provider(),
            "TWIN_EF_SEARCH": str(self.ef_search),
        }
        with open(common.bench_cache() / "twin.log", "ab") as log:
            self.twin = common.start(
                [python, "-m", "uvicorn", "app:app", "--port", self.twin_port, "--no-access-log", "--log-level", "warning"],
                cwd=common.ROOT / "bench" / "twin", env=environment, stdout=log, stderr=log,
            )  # fmt: skip
        for _ in range(600):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{self.twin_port}/health", timeout=5).read()
                return
            time.sleep(0.1)
        raise RuntimeError("the twin did not start; see .cache/bench/twin.log")

    def _fill_twin(self):
        self.twin_user = uuid_of("u", 1)
        self.twin_conversation = uuid_of("c", 1)
        self.postgres.sql("CREATE DATABASE twin TEMPLATE template0")
        self.postgres.sql(
            f"""
            CREATE EXTENSION vector;
            CREATE TABLE users (id uuid PRIMARY KEY, email text NOT NULL UNIQUE, is_active boolean NOT NULL);
            CREATE TABLE passages (id uuid PRIMARY KEY, owner_id uuid NOT NULL, source_id uuid NOT NULL, external_id text NOT NULL,
                title text NOT NULL, content text NOT NULL, metadata jsonb NOT NULL DEFAULT '{{}}', embedding vector(384) NOT NULL);
            CREATE TABLE conversations (id uuid PRIMARY KEY, user_id uuid NOT NULL REFERENCES users);
            CREATE TABLE messages (id uuid PRIMARY KEY, conversation_id uuid NOT NULL REFERENCES conversations, role text NOT NULL,
                content text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
            CREATE INDEX ON messages (conversation_id, created_at);
            INSERT INTO users VALUES ('{self.twin_user}', 'bench@bench.example', true);
            INSERT INTO conversations VALUES ('{self.twin_conversation}', '{self.twin_user}');
            CREATE TABLE vectors (i integer PRIMARY KEY, content text, embedding vector(384));
            """,
            database="twin",
        )
        file = corpus.files()["passages"]
        self.postgres.psql("-c", f"\\copy vectors FROM '{file}' WITH (FORMAT binary)", database="twin")
        self.postgres.sql(
            f"""
            INSERT INTO passages (id, owner_id, source_id, external_id, title, content, embedding)
            SELECT {uuid_sql("d")}, '{self.twin_user}', {uuid_sql("s")}, 'piece-' || i, '{TITLE}', content, embedding
              FROM vectors;
            DROP TABLE vectors;
            SET maintenance_work_mem = '512MB';
            CREATE INDEX ON passages USING hnsw (embedding vector_cosine_ops) WITH (m = 16, ef_construction = 64);
            VACUUM ANALYZE;
            """,
            database="twin",
        )

    # --- Load ------------------------------------------------------------------------------

    def bodies(self, name, values):
        path = self.folder / f"{name}.jsonl"
        path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
        return path

    def load(self, port, path, bodies=None, token=None, timeout=300, **options):
        """Runs the load generator to its end."""
        return json.loads(self.begin_load(port, path, bodies, token, **options).communicate(timeout=timeout)[0])

    def begin_load(self, port, path, bodies=None, token=None, **options):
        import subprocess

        url = path if path.startswith("http") else f"http://127.0.0.1:{port}{path}"
        command = [common.example("load"), "--url", url]
        if bodies:
            command += ["--bodies", bodies]
        for name, value in options.items():
            command += [f"--{name}", value]
        environment = {"LOAD_TOKEN": token or ""}
        return common.start(command, env=environment, stdout=subprocess.PIPE, text=True)

    def tandem_load(self, path, bodies=None, **options):
        return self.load(self.tandem.port, common.BASE + path, bodies, self.api.token, **options)

    def twin_load(self, path, bodies=None, **options):
        return self.load(self.twin_port, path, bodies, twin_token(self.twin_user), **options)


def twin_token(user):
    """A JWT for the twin."""

    def part(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    claims = {"sub": user, "aud": "twin", "exp": int(time.time()) + 86400}
    signed = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps(claims).encode())
    return (signed + b"." + part(hmac.digest(TWIN_SECRET.encode(), signed, "sha256"))).decode()


def peer_python():
    """The Python of .cache/bench/venv, with the peers installed at the first run."""
    import sys

    requirements = common.ROOT / "bench" / "requirements.txt"
    venv = common.bench_cache() / "venv"
    stamp = venv / "requirements.txt"
    python = venv / "bin" / "python"
    if not stamp.exists() or stamp.read_bytes() != requirements.read_bytes():
        common.say("installing the peers (FastAPI, onnxruntime, ...) into .cache/bench/venv, once")
        common.run([sys.executable, "-m", "venv", venv])
        common.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", requirements], timeout=1800)
        stamp.write_bytes(requirements.read_bytes())
    return python


def in_venv():
    """Goes on in that Python, which has what the baselines are computed with."""
    import os
    import pathlib
    import sys

    python = peer_python()
    if pathlib.Path(sys.executable) != python:
        os.execv(python, [str(python), *sys.argv])


def check(report, what):
    """A measurement with failed requests is none."""
    if report["failures"] or not report["answers"]:
        raise RuntimeError(f"{what}: {report['failures']} of {report['answers'] + report['failures']} failed: {report['failure']}")
    return report


def median(values):
    return statistics.median(values)
