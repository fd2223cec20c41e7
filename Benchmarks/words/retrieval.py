"""How well words find reports: Hilum's two legs together and apart, beside plain BM25, SQLite's FTS5 and chance.

Called by `run`, which builds the program. Two sets of reports are asked for:
- real ones (--corpus, the Open-i reports with `gold14`, 14 labels that people gave; not part of this repository): ten hits for each label,
  and ten questions that deny a label;
- drawn ones, which `hilum phantom` makes with what is really on each: ten hits for 36 phrases.
"""

import argparse
import json
import math
import os
import re
import sqlite3
import subprocess
import sys
import tempfile

REAL = {
    "Atelectasis": "atelectasis", "Cardiomegaly": "cardiomegaly", "Consolidation": "consolidation", "Edema": "pulmonary edema",
    "Effusion": "pleural effusion", "Emphysema": "emphysema", "Fibrosis": "fibrosis", "Infiltration": "infiltrate", "Mass": "mass",
    "Nodule": "nodule", "Pleural_Thickening": "pleural thickening", "Pneumonia": "pneumonia", "Pneumothorax": "pneumothorax",
}
DENIED = [
    ("Effusion", "no pleural effusion"), ("Pneumothorax", "no pneumothorax"), ("Cardiomegaly", "no cardiomegaly"),
    ("Consolidation", "no consolidation"), ("Edema", "no pulmonary edema"), ("Pneumonia", "no pneumonia"),
    ("Nodule", "no nodule"), ("Mass", "no mass"), ("Infiltration", "no infiltrate"), ("Atelectasis", "no atelectasis"),
]


def words(text):
    return re.findall(r"[a-z0-9]+", text.lower())


class BM25:
    """The twenty lines that anyone would write first."""

    def __init__(self, texts, k1=1.2, b=0.75):
        self.k1, self.b, self.ids = k1, b, list(texts)
        self.docs = [words(texts[i]) for i in self.ids]
        self.mean = sum(map(len, self.docs)) / len(self.docs)
        self.counts, self.frequency = [], {}
        for doc in self.docs:
            counts = {}
            for word in doc:
                counts[word] = counts.get(word, 0) + 1
            self.counts.append(counts)
            for word in counts:
                self.frequency[word] = self.frequency.get(word, 0) + 1

    def search(self, text, k=10):
        n, scores = len(self.docs), []
        for counts, doc in zip(self.counts, self.docs):
            score = 0.0
            for word in words(text):
                if word in counts:
                    df, tf = self.frequency[word], counts[word]
                    idf = math.log(1 + (n - df + 0.5) / (df + 0.5))
                    score += idf * tf * (self.k1 + 1) / (tf + self.k1 * (1 - self.b + self.b * len(doc) / self.mean))
            scores.append(score)
        order = sorted(range(n), key=lambda row: (-scores[row], row))
        return [self.ids[row] for row in order[:k] if scores[row] > 0]


class FTS5:
    def __init__(self, texts):
        self.db = sqlite3.connect(":memory:")
        self.db.execute("create virtual table reports using fts5(id unindexed, text)")
        self.db.executemany("insert into reports values (?, ?)", texts.items())

    def search(self, text, k=10):
        query = " OR ".join(words(text))
        sql = "select id from reports where reports match ? order by rank limit ?"
        return [row[0] for row in self.db.execute(sql, (query, k))]


class Hilum:
    def __init__(self, program, archive):
        self.program, self.archive = program, archive
        self.socket = tempfile.mktemp(suffix=".sock")
        self.daemon = subprocess.Popen(
            [program, "serve", archive, "--socket", self.socket], stderr=subprocess.DEVNULL)

    def search(self, text, options, k=10):
        line = f'SEARCH text={json.dumps(text, ensure_ascii=False)} k={k} {options}'
        for _ in range(200):
            made = subprocess.run([self.program, "query", "--socket", self.socket, line], capture_output=True, text=True)
            if made.returncode != 5:
                break
            import time
            time.sleep(0.1)
        if made.returncode not in (0, 4):
            sys.exit(f"query failed: {made.stderr}")
        rows = [json.loads(row) for row in made.stdout.splitlines() if row.startswith("{")]
        return [row["id"] for row in rows if "rank" in row]

    def end(self):
        self.daemon.terminate()
        self.daemon.wait()


def run(*command):
    made = subprocess.run(command, capture_output=True, text=True)
    if made.returncode not in (0, 3):
        sys.exit(f"{' '.join(command[:3])} failed: {made.stderr[-2000:]}")
    return made.stdout


def table(title, rows, columns):
    print(f"\n## {title}\n\n| question | " + " | ".join(columns) + " |\n| --- |" + " --- |" * len(columns))
    for name, values in rows:
        print(f"| {name} | " + " | ".join("" if value is None else f"{100 * value:.0f}" for value in values) + " |")


def figure(name, value, target, at_most=False):
    holds = value <= target if at_most else value >= target
    print(json.dumps({"figure": name, "value": round(value, 4), "target": target, "holds": holds}), file=sys.stderr)
    return holds


def share(hits, right, possible):
    """Right ones among ten, or among as many as there are."""
    wanted = min(10, possible)
    return sum(hit in right for hit in hits[:wanted]) / wanted if wanted else None


def spearman(first, second):
    def ranks(values):
        order = sorted(range(len(values)), key=lambda row: values[row])
        result = [0.0] * len(values)
        place = 0
        while place < len(order):
            end = place
            while end < len(order) and values[order[end]] == values[order[place]]:
                end += 1
            for row in order[place:end]:
                result[row] = (place + end - 1) / 2
            place = end
        return result

    one, two = ranks(first), ranks(second)
    mean = (len(one) - 1) / 2
    top = sum((a - mean) * (b - mean) for a, b in zip(one, two))
    bottom = math.sqrt(sum((a - mean) ** 2 for a in one) * sum((b - mean) ** 2 for b in two))
    return top / bottom if bottom else 0.0


def by_length(hits, affirming, texts):
    """How rank follows length: of all hits, if only affirming before doubting counted, and among those that affirm."""
    counts = [len(words(texts[hit])) for hit in hits]
    inside = [count for hit, count in zip(hits, counts) if hit in affirming]
    others = [count for hit, count in zip(hits, counts) if hit not in affirming]
    means = [sum(part) / len(part) if part else 0 for part in (inside, others)]
    return (len(hits), spearman(list(range(len(hits))), counts), spearman([hit not in affirming for hit in hits], counts),
            spearman(list(range(len(inside))), inside), means)


def real(program, corpus, work):
    labels, texts = {}, {}
    for line in open(f"{corpus}/openi_reports.jsonl"):
        row = json.loads(line)
        if row["gold14"] is not None:
            labels["openi-" + row["uid"]] = set(row["gold14"])
    manifest = f"{work}/real.jsonl"
    with open(manifest, "w") as out:
        for line in open(f"{corpus}/cases.jsonl"):
            row = json.loads(line)
            if row["id"] in labels:
                texts[row["id"]] = row["report"]
                # Without its labels: only the report may answer.
                out.write(json.dumps({"id": row["id"], "report": row["report"]}) + "\n")
    archive = f"{work}/real"
    run(program, "init", archive)
    run(program, "index", archive, "--manifest", manifest, "--json")
    hilum, bm25, fts5 = Hilum(program, archive), BM25(texts), FTS5(texts)
    columns = ["Hilum", "words", "vectors", "BM25", "FTS5", "chance"]
    rows, lengths = [], []
    for label, question in REAL.items():
        right = {name for name in texts if label in labels[name]}
        asked = [
            hilum.search(question, "target=report"), hilum.search(question, "target=report mode=words"),
            hilum.search(question, "target=report mode=vector"), bm25.search(question), fts5.search(question)]
        rows.append((f"{question} ({len(right)})", [share(hits, right, len(right)) for hits in asked] + [len(right) / len(texts)]))
        # Among the reports that words bring: what comes after them affirms nothing, and is shorter for that reason.
        deep = hilum.search(question, "target=report mode=words", k=500)
        finding = question.replace("pulmonary ", "").replace("pleural effusion", "effusion").replace(" ", "-")
        affirming = set(hilum.search(question, f"target=report mode=words affirmed={finding}", k=500))
        lengths.append((len(right), question, by_length(deep, affirming, texts)))
    means = [sum(row[1][column] for row in rows) / len(rows) for column in range(len(columns))]
    table(f"{len(texts)} real reports, right among ten, %", rows + [("**mean**", means)], columns)
    wrong = []
    for label, question in DENIED:
        asked = [hilum.search(question, "target=report"), hilum.search(question, "target=report mode=vector"),
                 bm25.search(question), fts5.search(question)]
        wrong.append((question, [sum(label in labels[hit] for hit in hits) / 10 for hits in asked]))
    table("Questions that deny: hits that have the label, %", wrong, ["Hilum", "vectors", "BM25", "FTS5"])
    hilum.end()
    lengths = sorted(lengths, reverse=True)[:10]
    print("\n## Rank against length among what words bring, Spearman, the ten commonest labels\n")
    print("| question | reports | rank | affirming before doubting alone | among the affirming | words of affirming / doubting |")
    print("| --- | --- | --- | --- | --- | --- |")
    for _, question, (count, all_of_them, parts, inside, sizes) in lengths:
        print(f"| {question} | {count} | {all_of_them:.2f} | {parts:.2f} | {inside:.2f} | {sizes[0]:.0f} / {sizes[1]:.0f} |")
    lengths = [abs(row[2][1]) for row in lengths]
    holds = figure("words: findings of real reports, right among ten", means[0], 0.9)
    holds &= figure("words: denied questions, hits with the label", sum(row[1][0] for row in wrong) / len(wrong), 0, at_most=True)
    return holds & figure("words: rank against length, Spearman", max(lengths), 0.2, at_most=True)


SIDES = ("left", "right", "bilateral")


def parts(label):
    """The words of a label, its side first."""
    *name, last = label.split()
    return [last] + name if last in SIDES and name else label.split()


def phrase(label):
    """A finding as a sentence, as `hilum eval` asks for it."""
    return "The study is normal." if label == "normal" else f"{' '.join(parts(label)).capitalize()} is seen."


def three_words(label):
    if label == "normal":
        return "normal chest study"
    said = parts(label)
    return " ".join((said + ["is", "seen"] if len(said) == 1 else said + ["seen"])[:3])


def drawn(program, work, count):
    folder, archive = f"{work}/phantoms", f"{work}/drawn"
    run(program, "phantom", folder, "--count", str(count), "--seed", "9001", "--side", "96")
    cases = [json.loads(line) for line in open(f"{folder}/cases.jsonl")]
    manifest = f"{folder}/words.jsonl"
    with open(manifest, "w") as out:
        for case in cases:
            out.write(json.dumps({key: case[key] for key in ("id", "image", "report", "report_file") if key in case}) + "\n")
    texts = {}
    for case in cases:
        texts[case["id"]] = case.get("report") or open(f"{folder}/{case['report_file']}").read()
    run(program, "init", archive)
    run(program, "index", archive, "--manifest", manifest, "--json")
    truth = {case["id"]: set(case.get("findings", [])) for case in cases}
    counts = {}
    for found in truth.values():
        for label in found:
            counts[label] = counts.get(label, 0) + 1
    questions = []
    for label in sorted(counts, key=lambda label: (-counts[label], label)):
        questions += [(text, label) for text in (phrase(label), three_words(label))]
    hilum, bm25, fts5 = Hilum(program, archive), BM25(texts), FTS5(texts)
    columns = ["case", "report", "image", "words", "vectors", "BM25", "FTS5", "chance"]
    rows = []
    for text, label in questions:
        right = {key for key, found in truth.items() if label in found}
        asked = [
            hilum.search(text, "target=case"), hilum.search(text, "target=report"), hilum.search(text, "target=image"),
            hilum.search(text, "target=report mode=words"), hilum.search(text, "target=case mode=vector"),
            bm25.search(text), fts5.search(text)]
        rows.append((f"{text} ({len(right)})", [share(hits, right, len(right)) for hits in asked] + [len(right) / len(texts)]))
    hilum.end()
    means = [sum(row[1][column] for row in rows) / len(rows) for column in range(len(columns))]
    table(f"{count} drawn cases that nothing was trained on, right among ten, %", rows + [("**mean**", means)], columns)
    holds = figure("words: phrases on drawn cases, cases right among ten", means[0], 0.95)
    return holds & figure("words: phrases on drawn cases, reports right among ten", means[1], 0.9)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--corpus")
    parser.add_argument("--count", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        holds = drawn(options.program, work, options.count)
        if options.corpus and os.path.exists(f"{options.corpus}/openi_reports.jsonl"):
            holds &= real(options.program, options.corpus, work)
        else:
            print("\nNo real reports: give --corpus a folder with openi_reports.jsonl and cases.jsonl.", file=sys.stderr)
    sys.exit(0 if holds else 1)


main()
