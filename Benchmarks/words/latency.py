"""How long a daemon takes for questions in words: `latency.py --program HILUM --archive ARCHIVE`, which it serves meanwhile.

Prints the microseconds that the daemon reports, as percentiles of 300 questions a mode; the questions are drawn with a fixed seed.
"""

import argparse
import json
import random
import re
import subprocess
import tempfile
import time

QUESTIONS = [
    "pneumothorax", "left pleural effusion", "no pneumothorax", "cardiomegaly", "right upper lobe nodule", "normal chest", '"pleural effusion"',
    "consol*", "any:effusion", "endotracheal tube", "degenerative changes of the spine", "left chest tube", "portable", "heart",
    "lungs are clear",
]


def ask(program, socket, lines):
    return subprocess.run([program, "query", "--socket", socket], input="\n".join(lines) + "\n", capture_output=True, text=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--archive", required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        socket = f"{folder}/s"
        daemon = subprocess.Popen(
            [options.program, "serve", options.archive, "--socket", socket], stderr=subprocess.DEVNULL)
        try:
            while ask(options.program, socket, ["PING"]).returncode == 5:
                time.sleep(0.1)
            generator = random.Random(1)
            for mode in ("words", "hybrid", "vector"):
                lines = [f"SEARCH text={json.dumps(generator.choice(QUESTIONS))} mode={mode} k=10" for _ in range(300)]
                # The first question reads what later ones find in memory.
                ask(options.program, socket, lines[:1])
                made = ask(options.program, socket, lines)
                times = sorted(int(text) for text in re.findall(r"us=(\d+)", made.stdout + made.stderr))
                figures = {"mode": mode, "n": len(times), "p50_us": times[len(times) // 2], "p99_us": times[int(len(times) * 0.99) - 1]}
                print(json.dumps(figures))
        finally:
            daemon.terminate()
            daemon.wait()


main()
