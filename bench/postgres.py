"""A Postgres of the bench's own: Tandem, its twin and pgbench use the same server.

Settings are those of Tandem's embedded server (app/src/db/embedded/flags.rs).
It listens on a socket in a private folder only.
"""

import json
import os
import pathlib
import pwd
import time

import common

USER = "tandem"
SETTINGS = {
    "listen_addresses": "",
    "max_connections": 200,
    "maintenance_work_mem": "256MB",
    "wal_level": "minimal",
    "max_wal_senders": 0,
    "jit": "off",
    "random_page_cost": 1.1,
    # Statements are read back from this log, in the one step that captures them.
    "logging_collector": "on",
    "log_destination": "jsonlog",
    "log_directory": "bench_log",
    "log_filename": "postgres.log",
    "log_rotation_age": 0,
    "log_rotation_size": 0,
}


def shared_buffers():
    """An eighth of the memory, as the embedded server does (app/src/db/embedded/memory.rs)."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024 // 1024
    return f"{min(max(total // 8, 128), 1024)}MB"


def installation():
    for path in (os.environ.get("POSTGRES_DIR"), common.setup_cache() / "postgres" / "18"):
        if path and (pathlib.Path(path) / "bin" / "postgres").exists():
            return pathlib.Path(path).resolve()
    common.fail("there is no Postgres for the bench", "make setup, or set POSTGRES_DIR")
    return None


class Postgres:
    """A server with one empty database `bench`."""

    def __init__(self):
        self.bin = installation() / "bin"
        self.folder = common.folder("tp-")
        self.data = self.folder / "data"
        self.child = None
        self.who = {}
        if os.geteuid() == 0:  # Postgres refuses to be run by root
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            self.who = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self.folder.chmod(0o700)

    def start(self):
        common.run(
            [self.bin / "initdb", "--pgdata", self.data, "--username", USER, "--auth=trust", "--encoding=UTF8",
             "--locale=C.UTF-8", "--no-sync", "--data-checksums"],
            cwd="/", **self.who,
        )  # fmt: skip
        flags = [part for name, value in {**SETTINGS, "shared_buffers": shared_buffers()}.items() for part in ("-c", f"{name}={value}")]
        log = open(common.bench_cache() / "postgres.log", "ab")
        self.child = common.start(
            [self.bin / "postgres", "-D", self.data, "-k", self.folder, *flags], stdout=log, stderr=log, cwd="/", **self.who
        )
        log.close()
        for _ in range(1000):
            try:
                self.sql("SELECT 1", database="postgres")
                break
            except RuntimeError:
                time.sleep(0.02)
        self.sql("CREATE DATABASE bench", database="postgres")

    def stop(self):
        common.stop(self.child, 2)  # SIGINT: Postgres's fast shutdown

    def url(self, database="bench"):
        return f"postgres://{USER}@localhost/{database}?host={self.folder}"

    def environment(self, **more):
        return {"PATH": os.environ.get("PATH", ""), "PGHOST": str(self.folder), "PGUSER": USER, **more}

    def psql(self, *arguments, database="bench", timeout=1800, script=None):
        command = [self.bin / "psql", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-d", database, *arguments]
        return common.run(command, timeout=timeout, env=self.environment(), input=script)

    def sql(self, statement, database="bench"):
        """Runs statements; answers the rows of the last as lists of strings."""
        printed = self.psql(database=database, script=statement)
        return [line.split("\t") for line in printed.splitlines()]

    def pgbench(self, *arguments, options="", timeout=600):
        environment = self.environment(PGOPTIONS=options)
        return common.run([self.bin / "pgbench", "-n", *arguments, "bench"], timeout=timeout, env=environment, cwd=self.folder)

    # --- Which statements a client sends ---

    def log_statements(self, is_on):
        self.sql(f"ALTER SYSTEM SET log_statement = '{'all' if is_on else 'none'}'")
        self.sql("SELECT pg_reload_conf()")
        time.sleep(0.3)

    def log_size(self):
        return self._log().stat().st_size

    def logged(self, offset, prefix):
        """Entries of applications whose name begins with prefix, since an offset, when the log has come to rest."""
        size = -1
        while size != self.log_size():
            size = self.log_size()
            time.sleep(0.03)
        with open(self._log(), encoding="utf-8") as file:
            file.seek(offset)
            entries = [json.loads(line) for line in file if line.strip()]
        return [entry for entry in entries if entry.get("application_name", "").startswith(prefix)]

    def _log(self):
        return self.data / "bench_log" / "postgres.json"
