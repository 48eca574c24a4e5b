"""Another revision, checked out and built beside the work tree, and gone afterwards; ccache has most of it."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from measuring import Failure, temporary_folder

ROOT = Path(__file__).resolve().parents[2]


def git(*words):
    done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"git {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.strip()


def commit_of(revision):
    return git("rev-parse", "--verify", "--short=12", f"{revision}^{{commit}}")


@contextlib.contextmanager
def checked_out(revision):
    """The folder of a work tree of its own."""
    commit = commit_of(revision)
    (ROOT / "build").mkdir(exist_ok=True)
    with temporary_folder(ROOT / "build") as folder:
        tree = folder / commit
        git("worktree", "add", "--detach", str(tree), commit)
        try:
            yield tree
        finally:
            git("worktree", "remove", "--force", str(tree))


def build(tree, target):
    """The release build of one target."""
    # Objects that were compiled of the same text in another folder serve here too.
    environment = {**os.environ, "CCACHE_BASEDIR": str(tree), "CCACHE_NOHASHDIR": "1"}
    for words in (["cmake", "--preset", "release"], ["cmake", "--build", "build/release", "--target", target]):
        print(f"bench: {tree.name}: {' '.join(words)}", file=sys.stderr, flush=True)
        done = subprocess.run(words, cwd=tree, capture_output=True, text=True, env=environment)
        if done.returncode != 0:
            raise Failure(f"{tree.name} does not build:\n{(done.stdout + done.stderr)[-4000:]}")
    return tree / "build/release"
