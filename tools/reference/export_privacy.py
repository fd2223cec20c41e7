"""Writes what Opacus says of epsilon and noise, for Tests/HilumMCRTests/PrivacyBudgetTests.swift."""

import json
import sys

import opacus
from opacus.accountants import RDPAccountant
from opacus.accountants.utils import get_noise_multiplier

# (sampling rate, noise multiplier, steps): small and large rates, much and little noise, every group at each step.
RUNS = [
    (0.01, 1.1, 1000), (0.05, 0.8, 300), (0.125, 1.0, 310), (0.25, 2.0, 500), (0.5, 4.0, 200), (0.032, 0.6, 40),
    (0.9, 6.0, 60), (1.0, 8.0, 50), (0.001, 0.7, 20000),
]
DELTAS = [1e-4, 1e-6]
# Several kinds of steps one after another, as a site has them whose archive grows.
MIXED = [
    [(0.125, 1.2, 31), (0.1, 1.1, 38), (0.08, 1.0, 48)],
    [(0.25, 3.0, 100), (1.0, 10.0, 5)],
]
# (epsilon, delta, sampling rate, steps): how much noise it takes.
TARGETS = [(8.0, 1e-4, 0.128, 310), (3.0, 1e-4, 0.128, 310), (1.0, 1e-5, 0.02, 1000), (3.0, 1e-6, 0.5, 40)]


def epsilon(history, delta):
    accountant = RDPAccountant()
    accountant.history = [(noise, rate, steps) for rate, noise, steps in history]
    return accountant.get_epsilon(delta)


def main():
    runs = [[run] for run in RUNS] + MIXED
    out = {
        "opacus": opacus.__version__,
        "runs": [
            {
                "steps": [{"rate": rate, "noise": noise, "count": count} for rate, noise, count in run],
                "delta": delta, "epsilon": epsilon(run, delta),
            }
            for run in runs
            for delta in DELTAS
        ],
        "targets": [
            {
                "epsilon": target, "delta": delta, "rate": rate, "count": count,
                "noise": get_noise_multiplier(
                    target_epsilon=target, target_delta=delta, sample_rate=rate, steps=count, accountant="rdp",
                    epsilon_tolerance=1e-5),
            }
            for target, delta, rate, count in TARGETS
        ],
    }
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(out, file, indent=1)
        file.write("\n")


main()
