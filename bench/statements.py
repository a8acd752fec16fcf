"""The statements that Tandem sends for a request, read back from the server's
log, and the same as scripts for pgbench: same text, same order, parameters bound.
"""

import re

STATEMENT = re.compile(r"^(?:execute [^:]*|statement): (.*)$", re.DOTALL)
PARAMETER = re.compile(r"\$(\d+) = (NULL|'(?:[^']|'')*')", re.DOTALL)
PLACE = re.compile(r"\$(\d+)")
# `SET LOCAL a = 'b'; SET LOCAL ...` is one message to the server; pgbench would
# make one of each. As set_config in one SELECT it is one message again.
SETTING = re.compile(r"SET LOCAL (?:(ROLE) (\w+)|([\w.]+) (?:=|TO) '([^']*)')\s*(?:;\s*)?", re.IGNORECASE)
# A vector's transaction asks whether its space is active.
PIN = "SELECT ai_pin_space"
# What only row security needs.
REACH = re.compile(r"set_config|^\s*SET LOCAL", re.IGNORECASE)
# Workers, relay and schedules run as they do by default, and are no part of a request.
BACKGROUND = re.compile(r"\b(outbox|jobs|message_events|idempotency_keys|settings)\b|'interrupted'", re.IGNORECASE)

REPETITIONS = 4


def of_entries(entries):
    """[(text, {number: value or None})] of a log's entries, in their order."""
    found = []
    for entry in entries:
        match = STATEMENT.match(entry.get("message", ""))
        # A new connection asks once what the type vector is.
        if match and "pg_type" not in match.group(1) and not BACKGROUND.search(match.group(1)):
            values = {
                int(number): None if value == "NULL" else value[1:-1].replace("''", "'")
                for number, value in PARAMETER.findall(entry.get("detail") or "")
            }
            found += [(text, values) for text in apart(match.group(1))]
    return found


def apart(text):
    """A transaction on ai begins and says who it acts for in one message; pgbench can prepare only one statement of it at a time."""
    if text.startswith(PIN):
        # A pin stands before BEGIN in its message, and belongs to the transaction all the same.
        pin, _, rest = text.partition(";")
        begin, *identity = apart(rest.strip())
        return [begin, pin, *identity]
    begin, _, identity = text.partition(";")
    return [begin, identity] if begin.strip() == "BEGIN" and identity.strip() else [text]


def capture(postgres, requests):
    """The statements of each request; a request is a function that sends one and waits.

    What runs beside it (schedules, the index over words) may stand between, so each is sent
    a few times, and the shortest sequence is its own.
    """
    requests[0]()
    postgres.log_statements(True)
    try:
        found = []
        for request in requests:
            sequences = []
            for _ in range(REPETITIONS):
                offset = postgres.log_size()
                request()
                sequences.append(of_entries(postgres.logged(offset, "tandem")))
            found.append(min(sequences, key=len))
    finally:
        postgres.log_statements(False)
    return found


def scripts(folder, sequences, name, keep=lambda text: True):
    """pgbench arguments that run each sequence as one transaction of its own."""
    arguments = []
    for number, sequence in enumerate(sequences):
        lines = []
        for place, (text, values) in enumerate(sequence):
            if not keep(text):
                continue

            def variable(match, number=number, place=place, values=values):
                value = values[int(match.group(1))]
                return "NULL" if value is None else f":v{number}_{place}_{match.group(1)}"

            lines.append(" ".join(PLACE.sub(variable, as_one(text)).split()) + ";")
            for key, value in values.items():
                if value is not None:
                    arguments += ["-D", f"v{number}_{place}_{key}={value}"]
        path = folder / f"{name}-{number}.sql"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        path.chmod(0o644)
        arguments += ["-f", path]
    return arguments


def as_one(text):
    """Settings as one statement; anything else as it is."""
    if not SETTING.sub("", text).strip():
        calls = [f"set_config('{role or name}', '{who or value}', true)" for role, who, name, value in SETTING.findall(text)]
        return "SELECT " + ", ".join(calls).replace("'ROLE'", "'role'")
    return text


def without_reach(text):
    return not REACH.search(text)
