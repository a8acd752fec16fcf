#!/usr/bin/env python3
"""Tandem beside its bars and its peers, in one run on one machine, as a Markdown table."""

import argparse
import sys

import batch
import chat
import common
import complete
import growth
import process
import reembed
import search
import stage as scene
import table

PARTS = ("search", "recall", "memory", "first", "slow", "fast", "start", "ingestion", "batch", "complete", "reembed", "growth")
ON_STAGE = {"search", "recall", "memory", "first", "slow", "fast"}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="which rows")
    parser.add_argument("--seconds", type=float, default=6, help="length of one measurement; each is taken three times")
    return parser.parse_args()


def main():
    options = arguments()
    common.clean_up_at_end()
    rows, stage, failures = [], None, []
    if ON_STAGE & set(options.parts):
        common.say("filling the tables")
        stage = scene.Stage()
        stage.fill()
    parts = {
        "search": lambda: search.service(stage, options.seconds),
        "recall": lambda: search.recalls(stage),
        "memory": lambda: search.memory(stage, options.seconds),
        "first": lambda: chat.first_token(stage),
        "slow": lambda: chat.slow_streams(stage),
        "fast": lambda: chat.fast_streams(stage, options.seconds),
        "start": process.starts,
        "ingestion": process.ingestion,
        "batch": batch.batch,
        "complete": lambda: complete.complete(options.seconds),
        "reembed": reembed.reembedding,
        "growth": lambda: growth.growth(options.seconds),
    }
    for name in PARTS:
        if name not in options.parts:
            continue
        common.say(f"{name} (load average {common.load_average()})")
        try:
            found = parts[name]()
        except (RuntimeError, OSError, ValueError, AssertionError) as error:
            failures.append(name)
            found = [table.Row(name, "", f"not measured: {error}", "", False)]
        for row in found:
            common.say(f"  {row.what}: {row.measured} {row.ratio} {row.verdict()}")
        rows += found
    print(f"Machine: {common.machine()}; load average at the end {common.load_average()}")
    print(f"Build: {common.profile()}")
    if stage:
        print(f"Data: {stage.passages:,} passages and {stage.memories:,} memories of one user, 384 dimensions, {stage.what}")
        print("Tandem, twin (one worker) and pgbench use one Postgres over a unix socket, one after the other; medians of three rounds.")
    print("\n" + table.render(rows))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
