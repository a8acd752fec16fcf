"""The rows about streams: first token, many slow streams, many fast ones."""

import threading
import time

import common
import stage as scene
from table import Row, at_least

FIRST = "event: token"
WHOLE = "event: done"
DELAY_MS = 200
TURNS = 150
TURNS_A_SECOND = 5
OTHERS = 50
SLOW = 1000
SLOW_A_SECOND = 50
FAST_TOKENS = 200
FAST_CONNECTIONS = 32
WARM = 2


def _turns(stage, name, count, script, first=0):
    """Questions from the first on, which the provider answers by this script from now on."""
    questions = [" ".join(question.split()) for question in stage.questions[first : first + count]]
    stage.teach(script, questions)
    return stage.bodies(name, [{"text": question} for question in questions])


def with_model(stage, **settings):
    """Jobs are off: every turn here begins a conversation, and its title would be a second call of the model."""
    provider = stage.start_provider()
    stage.start_tandem(
        OPENAI_BASE_URL=f"{provider}/v1", OPENAI_API_KEY="bench", CHAT_MODEL="scripted", WORKERS="0", **settings
    )  # fmt: skip


def first_token(stage):
    """How much later than the provider's own the first token comes."""
    with_model(stage)
    script = f"delay={DELAY_MS} tokens=5 gap=20"
    others_last = int((TURNS / TURNS_A_SECOND + 15) * 10)
    others = _turns(stage, "others", OTHERS, f"delay={DELAY_MS} tokens={others_last} gap=100", first=TURNS)
    turns = _turns(stage, "turns", TURNS, script)
    asked = [{"model": "scripted", "stream": True, "messages": [{"role": "user", "content": " ".join(stage.questions[0].split())}]}]
    warm = _turns(stage, "warm", 20, "delay=1 tokens=5 gap=1", first=TURNS + OTHERS)
    scene.check(stage.tandem_load("/chat/send", warm, connections=2, seconds=3, warmup=0, first=FIRST), "warm-up")
    background = stage.begin_load(
        stage.tandem.port, common.BASE + "/chat/send", others, stage.api.token,
        rate=OTHERS / 5, count=OTHERS, first=FIRST, whole=WHOLE, limit=120,
    )  # fmt: skip
    time.sleep(7)
    direct = stage.load(
        0, f"{stage.provider}/v1/chat/completions", stage.bodies("direct", asked),
        rate=TURNS_A_SECOND * 4, count=40, first="content", whole="[DONE]",
    )  # fmt: skip
    report = scene.check(
        stage.tandem_load("/chat/send", turns, rate=TURNS_A_SECOND, count=TURNS, first=FIRST, whole=WHOLE), "turns"
    )
    common.stop(background)
    provider = scene.check(direct, "the provider")["first_ms"]["p50"]
    p50, p99 = (report["first_ms"][name] - provider for name in ("p50", "p99"))
    return [
        Row(f"first-token overhead, new turns at {TURNS_A_SECOND}/s, {OTHERS} others streaming", "p50 <= 20 ms",
            f"p50 {p50:.1f} ms (the provider alone: {provider:.1f} ms)", f"{p50 / 20:.2f} x", p50 <= 20),
        Row("", "p99 <= 60 ms", f"p99 {p99:.1f} ms", f"{p99 / 60:.2f} x", p99 <= 60),
    ]  # fmt: skip


class Peak(threading.Thread):
    """The largest resident memory of a process while it is watched."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.mb, self.over = pid, 0.0, threading.Event()

    def run(self):
        while not self.over.wait(0.2):
            self.mb = max(self.mb, common.resident_mb(self.pid))


def slow_streams(stage):
    """A thousand at once, a token a second each."""
    with_model(stage)
    lasts = SLOW // SLOW_A_SECOND + 15
    bodies = _turns(stage, "slow", SLOW, f"delay={DELAY_MS} tokens={lasts} gap=1000")
    peak = Peak(stage.tandem.pid)
    peak.start()
    before = common.cpu_seconds(stage.tandem.pid)
    report = stage.tandem_load("/chat/send", bodies, rate=SLOW_A_SECOND, count=SLOW, first=FIRST, whole="finis\"", limit=180, timeout=400)
    spent = common.cpu_seconds(stage.tandem.pid) - before
    peak.over.set()
    dropped = report["failures"]
    reason = f" ({report['failure']})" if dropped else ""
    return [
        Row(f"{SLOW:,} concurrent slow streams: dropped", "none", f"{dropped}{reason}; {spent:.1f} CPU s of our process", "", dropped == 0),
        Row(f"{SLOW:,} concurrent slow streams: resident memory", "< 300 MB", f"{peak.mb:.0f} MB", f"{peak.mb / 300:.2f} x", peak.mb < 300),
    ]


# The twin has no retrieval, so like is compared with like.
NO_RETRIEVAL = {"TANDEM__CHAT__RETRIEVED_PASSAGES": 0, "TANDEM__CHAT__RETRIEVED_MEMORIES": 0}


def fast_streams(stage, seconds):
    """Streams of 200 tokens from a provider that does not wait; ours are stored event by event and can be resumed."""
    stage.start_twin()
    bodies = _turns(stage, "fast", 200, f"delay=0 tokens={FAST_TOKENS} gap=0")
    with_model(stage, **NO_RETRIEVAL)
    rounds = [
        (_streams(stage.tandem.pid, stage.tandem_load, "/chat/send", bodies, seconds),
         _streams(stage.twin.pid, stage.twin_load, "/send", bodies, seconds))
        for _ in range(3)
    ]  # fmt: skip
    (ours, our_cpu), (theirs, their_cpu) = ([scene.median(column) for column in zip(*side)] for side in zip(*rounds))
    with_model(stage)
    found, found_cpu = _streams(stage.tandem.pid, stage.tandem_load, "/chat/send", bodies, seconds)
    ratio, is_good = at_least(ours / theirs, 8)
    return [
        Row(f"{FAST_TOKENS}-token streams without retrieval, {FAST_CONNECTIONS} connections", ">= 8 x the twin's rate",
            f"{ours:.0f}/s ({our_cpu * 1000:.1f} ms CPU each); twin {theirs:.0f}/s ({their_cpu * 1000:.1f} ms)", ratio, is_good),
        Row("", "the same with retrieval", f"{found:.0f}/s ({found_cpu * 1000:.1f} ms CPU each)", f"{found / theirs:.2f} x"),
    ]  # fmt: skip


def _streams(pid, send, path, bodies, seconds):
    """(streams a second, CPU seconds of a stream)."""
    before = common.cpu_seconds(pid)
    report = scene.check(
        send(path, bodies, connections=FAST_CONNECTIONS, seconds=seconds, warmup=WARM, first=FIRST, whole='finis"'), path
    )
    spent = common.cpu_seconds(pid) - before
    # The warm-up's requests spend too: about as many a second.
    return report["answers"] / report["seconds"], spent / (report["answers"] * (1 + WARM / report["seconds"]))
