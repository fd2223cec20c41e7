"""Opens the page of `hilum view` in Chromium and reads how long its answers took. See bench-view."""
import argparse, fcntl, json, os, signal, statistics, subprocess, sys, tempfile, time
from urllib.parse import urlencode

TARGET_IN_MS = 300
QUESTIONS = ["left pleural effusion", "pneumothorax", "cardiomegaly without edema", "nodule in the right upper lobe"]


class Browser:
    """Chromium behind a pipe: JSON messages, each ended by a zero byte, on descriptors 3 and 4."""

    def __init__(self, folder: str):
        to_browser, from_browser = os.pipe(), os.pipe()

        def hand_over() -> None:
            # The numbers that the browser expects; what stands there may be one of the pipes, so both are moved up first.
            ends = [os.dup(end) for end in (to_browser[0], from_browser[1])]
            high = [fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in ends]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.process = subprocess.Popen(
            [os.environ.get("CHROMIUM", "chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-extensions",
             "--lang=en-US", f"--user-data-dir={folder}/profile", "--remote-debugging-pipe", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, close_fds=False,
            preexec_fn=hand_over, start_new_session=True)
        os.close(to_browser[0])
        os.close(from_browser[1])
        self.output, self.input = to_browser[1], os.fdopen(from_browser[0], "rb", buffering=0)
        self.waiting, self.count = b"", 0

    def call(self, method: str, session: str | None = None, **parameters) -> dict:
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.output, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.waiting:
                more = self.input.read(1 << 16)
                if not more:
                    sys.exit("bench-view: the browser ended")
                self.waiting += more
            line, self.waiting = self.waiting.split(b"\0", 1)
            reply = json.loads(line)
            if reply.get("id") == self.count:
                if "error" in reply:
                    sys.exit(f"bench-view: {method}: {reply['error']}")
                return reply["result"]

    def answered_in(self, address: str) -> tuple[float, float, int]:
        """Milliseconds that the page measured, those since it was opened, and how many cards it shows."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        begun = time.monotonic()
        self.call("Page.navigate", session, url=address)
        script = "[document.body?.dataset.answeredIn ?? null, document.querySelectorAll('#hits .card').length]"
        while True:
            reply = self.call("Runtime.evaluate", session, expression=script, returnByValue=True)
            answered, cards = reply["result"].get("value") or [None, 0]
            if answered is not None:
                break
            if time.monotonic() - begun > 60:
                sys.exit("bench-view: the page did not answer within a minute")
            time.sleep(0.005)
        opened = 1000 * (time.monotonic() - begun)
        self.call("Target.closeTarget", targetId=target)
        return float(answered), opened, cards

    def end(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/bench-view")
    parser.add_argument("archive")
    parser.add_argument("--rounds", type=int, default=5, help="of all questions (5)")
    parser.add_argument("--question", action="append")
    parser.add_argument("--verbose", action="store_true", help="show what hilum view says")
    given = parser.parse_args()
    questions = given.question or QUESTIONS
    view = subprocess.Popen(
        [os.environ["HILUM_PROGRAM"], "view", given.archive], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=None if given.verbose else subprocess.DEVNULL, text=True)
    browser = None
    try:
        address = view.stdout.readline().strip()
        if not address:
            return 1
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            browser = Browser(folder)
            times: list[tuple[str, float, float, int]] = []
            for _ in range(given.rounds):
                for question in questions:
                    times.append((question, *browser.answered_in(f"{address}#{urlencode({'q': question})}")))
            browser.end()
            browser = None
        print(f"{'question':36} {'answered in, ms':>16} {'since opening, ms':>18} {'cards':>6}")
        for question, answered, opened, cards in times:
            print(f"{question[:36]:36} {answered:16.0f} {opened:18.0f} {cards:6}")
        median = statistics.median(time[1] for time in times)
        figures = [("view first answer, first question, ms", times[0][1]), ("view first answer, median, ms", median)]
        for name, value in figures:
            print(json.dumps({"figure": name, "value": round(value, 1), "target": f"<= {TARGET_IN_MS}", "holds": value <= TARGET_IN_MS}))
        return 0 if all(value <= TARGET_IN_MS for _, value in figures) else 1
    finally:
        if browser:
            browser.end()
        view.terminate()
        view.wait()


if __name__ == "__main__":
    sys.exit(main())
