"""What the tests of the feed need of an Orthanc server.

usage: orthanc.py draw FOLDER          draws three studies and a list of them, instances.json
       orthanc.py serve FOLDER         answers for that folder as Orthanc does; prints its address
       orthanc.py upload URL FOLDER [FIRST [END]]    sends these instances of the folder to a real one

The double asks for the name 'feed' and the password 'planted-word'. Files in FOLDER tell it what to do wrong: 'shown' holds how many instances
have arrived (all without it), 'cut' makes it send half of one file and hang up, 'unreadable' holds the number of an instance that it
answers with 500, 'down' makes it hang up on all.
"""
import base64, hashlib, http.server, json, struct, sys, time, urllib.request
from pathlib import Path

LOGIN = "Basic " + base64.b64encode(b"feed:planted-word").decode()
NAME = "Planted^Philomena"


def element(group, number, kind, value):
    if isinstance(value, str):
        value = value.encode()
        value += (b"\0" if kind == "UI" else b" ") * (len(value) % 2)
    head = struct.pack("<HH", group, number) + kind.encode()
    return head + (struct.pack("<HI", 0, len(value)) if kind in ("OW", "SQ") else struct.pack("<H", len(value))) + value


def dicom(study, number, modality, view, side=96):
    """A DICOM file, explicit little endian; a report has no pixels."""
    is_report = modality == "SR"
    sop = {"SR": "88.11", "CT": "2", "CR": "1"}[modality]
    sop, uid = f"1.2.840.10008.5.1.4.1.1.{sop}", f"1.2.826.0.1.{study}.{number}"
    body = element(8, 0x16, "UI", sop) + element(8, 0x18, "UI", uid) + element(8, 0x20, "DA", "20240301") + element(8, 0x60, "CS", modality)
    body += element(0x10, 0x10, "PN", NAME) + element(0x10, 0x20, "LO", f"planted-{study}")
    if view:
        body += element(0x18, 0x5101, "CS", view)
    body += element(0x20, 0xD, "UI", f"1.2.826.0.1.{study}") + element(0x20, 0xE, "UI", f"1.2.826.0.1.{study}.9{sop[-1]}")
    body += element(0x20, 0x13, "IS", str(number))
    if not is_report:
        body += element(0x28, 2, "US", struct.pack("<H", 1)) + element(0x28, 4, "CS", "MONOCHROME2")
        for tag, word in ((0x10, side), (0x11, side), (0x100, 16), (0x101, 12), (0x102, 11), (0x103, 0)):
            body += element(0x28, tag, "US", struct.pack("<H", word))
        samples = [(x * (study + 3) + y * (number * 5 + 1) + (x * y >> study)) % 4096 for y in range(side) for x in range(side)]
        body += element(0x7FE0, 0x10, "OW", struct.pack(f"<{len(samples)}H", *samples))
    meta = element(2, 2, "UI", sop) + element(2, 3, "UI", uid) + element(2, 0x10, "UI", "1.2.840.10008.1.2.1")
    return bytes(128) + b"DICM" + element(2, 0, "UL", struct.pack("<I", len(meta))) + meta + body


def identifier(text):
    """Forty hexadecimal digits in five groups, as Orthanc writes them."""
    digits = hashlib.sha1(text.encode()).hexdigest()
    return "-".join(digits[at:at + 8] for at in range(0, 40, 8))


def draw(folder):
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for study, number, modality, view in ((1, 1, "CR", "PA"), (1, 2, "CR", "LL"), (1, 3, "SR", ""), (2, 1, "CT", ""), (3, 1, "CR", "AP")):
        name = f"{study}-{number}.dcm"
        (folder / name).write_bytes(dicom(study, number, modality, view))
        rows.append({"file": name, "modality": modality, "study": identifier(f"study {study}"), "id": identifier(f"{study} {number}")})
    (folder / "instances.json").write_text(json.dumps(rows))


class Answers(http.server.BaseHTTPRequestHandler):
    def log_message(self, *words):
        pass

    def send(self, code, body):
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def said(self, name):
        path = self.server.folder / name
        return path.read_text().strip() if path.exists() else None

    def do_GET(self):
        if self.said("down") is not None:
            return
        if self.headers["Authorization"] != LOGIN:
            return self.send(401, b"")
        rows = json.loads((self.server.folder / "instances.json").read_text())
        rows = rows[:int(self.said("shown") or len(rows))]
        path, _, query = self.path.partition("?")
        if path == "/changes":
            # Each instance is two changes, of which one matters.
            since = int(dict(word.split("=") for word in query.split("&"))["since"])
            changes = [{"ChangeType": kind, "ID": row["id"], "Seq": 2 * at + extra}
                       for at, row in enumerate(rows) for kind, extra in (("NewInstance", 1), ("NewSeries", 2))]
            page = [change for change in changes if change["Seq"] > since][:3]
            last = page[-1]["Seq"] if page else len(changes)
            return self.send(200, json.dumps({"Changes": page, "Done": last == len(changes), "Last": last}).encode())
        for at, row in enumerate(rows):
            if path == f"/instances/{row['id']}/series":
                return self.send(200, json.dumps({"ParentStudy": row["study"], "MainDicomTags": {"Modality": row["modality"]}}).encode())
            if path == f"/instances/{row['id']}/file":
                with open(self.server.folder / "asked", "a") as log:
                    log.write(f"{at}\n")
                if self.said("unreadable") == str(at):
                    return self.send(500, b"{}")
                body = (self.server.folder / row["file"]).read_bytes()
                if self.said("cut") is not None:
                    (self.server.folder / "cut").unlink()
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body[:len(body) // 2])
                    return
                return self.send(200, body)
        self.send(404, b"{}")


def serve(folder):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.folder = folder
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


def upload(url, folder, first=0, end=99):
    rows = json.loads((folder / "instances.json").read_text())
    for row in rows[int(first):int(end)]:
        request = urllib.request.Request(url + "/instances", (folder / row["file"]).read_bytes(), {"Authorization": LOGIN})
        for _ in range(300):  # Until it has started.
            try:
                urllib.request.urlopen(request, timeout=30).read()
                break
            except urllib.error.HTTPError:
                raise
            except OSError:
                time.sleep(0.1)
        else:
            sys.exit("no Orthanc answers")


if __name__ == "__main__":
    verb, *words = sys.argv[1:]
    if verb == "upload":
        upload(words[0], Path(words[1]), *words[2:])
    else:
        {"draw": draw, "serve": serve}[verb](Path(words[0]))
