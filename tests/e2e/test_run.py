"""scripts/run: what it prints, typed as it is printed, ends in a delivered message and a refusal."""

import re
import subprocess

import maildir
from processes import ROOT, Process, wait_until


class Run(Process):
    def __init__(self, directory, *arguments):
        self.output = directory / "output"
        super().__init__(["bash", "-c", f'exec "$0" "$@" > {self.output}', ROOT / "scripts" / "run", *arguments],
                         cwd=directory)

    def tour(self):
        def look():
            assert self.process.poll() is None, self.log
            return re.search(r"first message:\n +(.+)\n\n.*address:\n +(.+)\n\n.*refused:\n +(.+)\n",
                             self.output.read_text() if self.output.exists() else "")

        return wait_until(look, "the lines to type", deadline=550).groups()


def typed(line, directory):
    return subprocess.run(["bash", "-c", line], cwd=directory, capture_output=True, text=True).stdout.replace("\r", "")


def test_the_lines_that_it_prints(directory):
    run = Run(directory, "--listen", "127.0.0.1:0", "--web", "127.0.0.1:0")
    try:
        send, suppress, refusal = run.tour()
        sent = typed(send, directory)
        assert "\n< 250 " in sent and "< 550" not in sent, sent
        [message] = maildir.messages(directory / "postern-mail")
        assert message.replace(b"\r\n", b"\n").endswith(b"Subject: hello\n\nGood morning.\n")
        typed(suppress, directory)
        assert f"< {refusal}\n" in typed(send, directory)
        assert len(maildir.messages(directory / "postern-mail")) == 1
    finally:
        children = subprocess.run(["pgrep", "-P", str(run.process.pid)], capture_output=True, text=True).stdout.split()
        status = run.terminate()
    assert status == 0
    assert len(children) >= 2, "the gate and the sink"
    for child in children:
        assert subprocess.run(["kill", "-0", child], capture_output=True).returncode != 0, "both ended with it"


def test_another_upstream(directory, upstream):
    run = Run(directory, "--listen", "127.0.0.1:0", "--web", "127.0.0.1:0", "--upstream", "{}:{}".format(*upstream.address))
    try:
        send, _, _ = run.tour()
        assert "\n< 250 " in typed(send, directory)
    finally:
        assert run.terminate() == 0
    assert len(upstream.messages) == 1
    assert not (directory / "postern-mail").exists()


def test_wrong_calls(directory):
    for arguments in (["--what"], ["--upstream"]):
        done = subprocess.run([ROOT / "scripts" / "run", *arguments], capture_output=True, text=True, cwd=directory)
        assert done.returncode == 2 and done.stderr
