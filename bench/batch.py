"""The rows about the batch: a year's back-fill of portfolios, on a Postgres of the bench's own."""

import json
import os
import subprocess
import time

import common
import postgres as server
from table import Row

SYMBOLS = 500
POSITIONS = 50
# 252 trading days.
FIRST, LAST, DAYS = "2023-01-03", "2024-01-03", 252
SECONDS_MAX = 10
MEMORY_MAX_MB = 500
# 1,000 portfolios may take this much more than ten times what 100 take.
LINEAR = 1.2

PRICES = f"""
INSERT INTO symbol_universe (symbol, asset_type) SELECT 'S' || s, 'equity' FROM generate_series(1, {SYMBOLS}) AS s;
INSERT INTO market_data_cache (symbol, date, close, data_source)
SELECT 'S' || s, day::date, round((20 + s + 10 * sin(s + extract(doy FROM day) / 40))::numeric, 2), 'bench'
  FROM generate_series(1, {SYMBOLS}) AS s, generate_series('{FIRST}'::date, '{LAST}'::date, '1 day') AS day
 WHERE extract(isodow FROM day) < 6;
"""

# Some of the lots are short, some were opened and partly closed in the year, some portfolios have capital of their own.
BOOKS = """
INSERT INTO portfolios (id, user_id, name, account_name, equity_balance, stale_from)
SELECT md5('p' || p)::uuid, (SELECT id FROM users LIMIT 1), 'Bench', 'Bench ' || p, CASE WHEN p % 2 = 0 THEN 1000000 END, '{first}'
  FROM generate_series(1, {portfolios}) AS p;
INSERT INTO positions (id, portfolio_id, symbol, position_type, investment_class, opened_quantity, quantity, currency,
                       entry_price, entry_date)
SELECT md5('l' || p || '-' || l)::uuid, md5('p' || p)::uuid, 'S' || 1 + (p * 37 + l * 11) % {symbols},
       CASE WHEN l % 7 = 0 THEN 'SHORT' ELSE 'LONG' END, 'PUBLIC', CASE WHEN l % 7 = 0 THEN -100 ELSE 100 + l END,
       CASE WHEN l % 7 = 0 THEN -100 WHEN l % 10 = 1 THEN 60 + l ELSE 100 + l END, 'USD', 20 + (p + l) % 90 + 0.37,
       '{first}'::date + CASE WHEN l % 5 = 0 THEN 60 ELSE 0 END
  FROM generate_series(1, {portfolios}) AS p, generate_series(1, {positions}) AS l;
INSERT INTO position_realized_events (id, position_id, portfolio_id, trade_date, quantity_closed, price)
SELECT md5('c' || id)::uuid, id, portfolio_id, '{first}'::date + 120, opened_quantity - quantity, 44.5
  FROM positions WHERE opened_quantity <> quantity;
"""


def batch():
    """Seconds of the run by its own record, and the command's memory at its highest."""
    postgres = server.Postgres()
    postgres.start()
    tandem = common.Tandem("batch", DATABASE_URL=postgres.url())
    tandem.start()
    tandem.user("batch@bench.example")
    tandem.stop()
    postgres.sql(PRICES)
    rows, first = [], None
    for portfolios in (100, 1000):
        postgres.sql("TRUNCATE portfolios, batch_run_history, batch_run_tracking CASCADE")
        postgres.sql(BOOKS.format(first=FIRST, portfolios=portfolios, symbols=SYMBOLS, positions=POSITIONS))
        postgres.sql("VACUUM ANALYZE")
        seconds, command, memory = back_fill(tandem, postgres)
        snapshots = int(postgres.sql("SELECT count(*) FROM portfolio_snapshots WHERE is_complete")[0][0])
        assert snapshots == portfolios * DAYS, snapshots
        what = f"batch: {portfolios:,} portfolios x {POSITIONS} positions x {DAYS} days back-filled"
        measured = f"{seconds:.2f} s (the command {command:.2f} s)"
        if first is None:
            first = seconds
            rows.append(Row(what, f"< {SECONDS_MAX} s", measured, f"{seconds / SECONDS_MAX:.2f} x", seconds < SECONDS_MAX))
        else:
            ratio = seconds / first / 10
            rows.append(Row(what, "linear", measured, f"{ratio:.2f} x of ten times 100", ratio <= LINEAR))
        rows.append(Row("", f"< {MEMORY_MAX_MB} MB", f"{memory:.0f} MB resident at the highest, the embedding model included",
                        f"{memory / MEMORY_MAX_MB:.2f} x", memory < MEMORY_MAX_MB))  # fmt: skip
        again, _, _ = back_fill(tandem, postgres, "--force")
        rows.append(Row("", "", f"every day again, with equal rows: {again:.2f} s"))
        idle, _, _ = back_fill(tandem, postgres)
        rows.append(Row("", "", f"with nothing to do: {idle:.2f} s"))
    postgres.stop()
    return rows


def back_fill(tandem, postgres, *arguments):
    """Runs the batch up to the last day: seconds of the run and of the command, and the command's memory in MB."""
    command = [common.binary(), "batch", "run", "--to", LAST, "--json", *arguments]
    began = time.monotonic()
    child = common.start(command, env=tandem.settings, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    printed, said = child.stdout.read(), child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(said.decode(errors="replace")[-2000:])
    run = json.loads(printed)["batch_run_id"]
    took = postgres.sql(f"SELECT extract(epoch FROM completed_at - started_at) FROM batch_run_history WHERE id = '{run}'")
    return float(took[0][0]), time.monotonic() - began, usage.ru_maxrss / 1024
