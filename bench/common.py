"""What `make eval` and `make bench` share: processes, HTTP, the machine's description."""

import atexit
import contextlib
import http.client
import json
import os
import pathlib
import platform
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BASE = "/api/v1"

# A child that does not end by itself is killed after this.
STOP_SECONDS = 60
READY_SECONDS = 60

_children = []
_folders = []


def say(text):
    print(f"# {text}", file=sys.stderr, flush=True)


def fail(message, remedy):
    print(f"{message}\n  remedy: {remedy}", file=sys.stderr)
    sys.exit(1)


# --- Everything that is started is ended -----------------------------------------------


def clean_up_at_end():
    """Call first: whatever ends this process (also Ctrl-C) ends what it started."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    atexit.register(_end_all)


def _end_all():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for child in reversed(_children):
        stop(child)
    for folder in _folders:
        shutil.rmtree(folder, ignore_errors=True)


def start(command, **options):
    """A child in a session of its own, so that Ctrl-C reaches us first."""
    child = subprocess.Popen([str(part) for part in command], start_new_session=True, **options)
    _children.append(child)
    return child


def stop(child, number=signal.SIGTERM):
    if child.poll() is None:
        child.send_signal(number)
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait(STOP_SECONDS)
    if child in _children:
        _children.remove(child)


def run(command, timeout=600, **options):
    """Runs to the end and answers what was printed."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=timeout, check=False, **options
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed ({done.returncode}): {(done.stderr or done.stdout)[-2000:]}")
    return done.stdout


def folder(prefix):
    """A folder that goes with this process; short, because sockets live in it."""
    base = "/tmp" if os.access("/tmp", os.W_OK) else None
    path = pathlib.Path(tempfile.mkdtemp(prefix=prefix, dir=base))
    _folders.append(path)
    if os.geteuid() == 0:
        path.chmod(0o755)  # the embedded Postgres of root is run by another user
    return path


# --- Where things are --------------------------------------------------------------------


def binary():
    path = os.environ.get("TANDEM_BENCH_BIN")
    if not path:
        target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        path = target / "release" / "tandem"
    path = pathlib.Path(path).resolve()
    if not path.exists():
        fail(f"there is no {path}", "cargo build --release -p app, or set TANDEM_BENCH_BIN")
    return path


def example(name):
    path = binary().parent / "examples" / name
    if not path.exists():
        fail(f"there is no {path}", f"build it in the profile of the binary: cargo build --release -p app --example {name}")
    return path


def setup_cache():
    """Where `make setup` put Postgres and the model."""
    return pathlib.Path(os.environ.get("TANDEM_CACHE_DIR", ROOT / ".cache")).resolve()


def bench_cache():
    path = pathlib.Path(os.environ.get("TANDEM_BENCH_CACHE", ROOT / ".cache" / "bench")).resolve()
    path.mkdir(parents=True, exist_ok=True)
    return path


def eval_data():
    """The folder of the evaluation data, or None."""
    path = pathlib.Path(os.environ.get("TANDEM_EVAL_DATA", ROOT / ".." / "shared" / "data"))
    return path.resolve() if (path / "baselines.json").exists() else None


def rows(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# --- The machine ---------------------------------------------------------------------------


def machine():
    """One line: what was measured on, without naming the machine."""
    cpu, memory = platform.processor() or platform.machine(), ""
    with contextlib.suppress(OSError):
        text = pathlib.Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
        names = [line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")]
        cpu = names[0] if names else cpu
        total = pathlib.Path("/proc/meminfo").read_text(encoding="ascii").split()[1]
        memory = f", {int(total) / 1024 / 1024:.0f} GB memory"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores of {cpu}{memory}, {platform.system()} {platform.release()} {platform.machine()}"


def profile():
    """Which build was measured, by where the binary lies."""
    if binary().parent.name == "release":
        return "release profile"
    optimised = os.environ.get("CARGO_PROFILE_DEV_OPT_LEVEL", "0")
    return f"dev profile (workspace at opt-level {optimised}, dependencies at 2)"


def load_average():
    return " ".join(f"{value:.1f}" for value in os.getloadavg())


# --- Tandem -----------------------------------------------------------------------------------


class Api:
    """One user's connection; not for use by several threads."""

    def __init__(self, port, token=None):
        self.port, self.token = port, token
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)

    def again(self):
        """Another connection of the same user."""
        return Api(self.port, self.token)

    def send(self, method, path, body=None, expect=(200, 201, 202, 204)):
        headers = {"Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        payload = None
        if body is not None:
            payload = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        # The face of OpenAI's clients has a base of its own.
        whole = path if path.startswith("/v1/") else BASE + path
        self.connection.request(method, whole, payload, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status not in expect:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:500].decode(errors='replace')}")
        return json.loads(text) if text else None

    def post(self, path, body):
        return self.send("POST", path, body)

    def get(self, path):
        return self.send("GET", path)


def _usual_limit():
    """Most systems start programs with a soft limit of 1,024 open files."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, hard) if hard > 0 else 1024, hard))


class Tandem:
    """A process of `tandem serve` with settings of its own; nothing is inherited."""

    def __init__(self, name, **settings):
        self.port = free_port()
        self.log = bench_cache() / f"{name}.log"
        self.child = None
        self.settings = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": os.environ.get("HOME", "/"),
            "PORT": str(self.port),
            "TANDEM_CACHE_DIR": str(setup_cache()),
            "REGISTRATION": "open",
            "ACCESS_TOKEN_TTL": "86400",
            "LOG_LEVEL": "warn",
        }
        if "POSTGRES_DIR" in os.environ:
            self.settings["POSTGRES_DIR"] = os.environ["POSTGRES_DIR"]
        self.settings.update({key: str(value) for key, value in settings.items()})

    def start(self):
        """Starts and waits until it is ready; answers the seconds that took."""
        with open(self.log, "ab") as log:
            began = time.monotonic()
            self.child = start(
                [binary(), "serve"], env=self.settings, cwd="/", stdout=log, stderr=log, preexec_fn=_usual_limit
            )
        while time.monotonic() - began < READY_SECONDS:
            if self.child.poll() is not None:
                break
            with contextlib.suppress(OSError, http.client.HTTPException):
                probe = http.client.HTTPConnection("127.0.0.1", self.port, timeout=READY_SECONDS)
                probe.request("GET", "/health/ready")
                if probe.getresponse().status == 200:
                    return time.monotonic() - began
            time.sleep(0.002)
        end = self.log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"tandem did not become ready; the end of its log:\n{end}")

    def stop(self, number=signal.SIGTERM):
        stop(self.child, number)

    def user(self, email, password="a long bench password 1"):
        """A new user's connection."""
        api = Api(self.port)
        api.post("/auth/register", {"email": email, "password": password})
        api.token = api.post("/auth/login", {"email": email, "password": password})["access_token"]
        return api

    @property
    def pid(self):
        return self.child.pid


def ingest(api, sources, seconds=3600):
    """Sends sources in batches and waits until none is on its way; answers the number that failed."""
    for begin in range(0, len(sources), 500):
        answer = api.post("/knowledge/sources/batch", {"items": sources[begin : begin + 500]})
        for item in answer["items"]:
            if item["status"] == "rejected":
                raise RuntimeError(f"a source was rejected: {item}")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        waiting = any(api.get(f"/knowledge/sources?status={status}&limit=1")["items"] for status in ("queued", "processing"))
        if not waiting:
            return len(api.get("/knowledge/sources?status=failed&limit=200")["items"])
        time.sleep(0.05)
    raise RuntimeError(f"sources were still on their way after {seconds} s")


# --- /proc -----------------------------------------------------------------------------------


def cpu_seconds(pid):
    """User and system time of a process so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def pss_mb(pid):
    """Its own memory and its share of what is shared."""
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def descendants(pid):
    """A process and all below it."""
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text(encoding="ascii", errors="replace").rsplit(")", 1)[1].split()
                parents[int(entry.name)] = int(fields[1])
    found = [pid]
    for known in found:
        found.extend(child for child, parent in parents.items() if parent == known)
    return found
