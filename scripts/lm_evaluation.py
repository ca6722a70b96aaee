#!/usr/bin/env python3
"""Runs EleutherAI's lm-evaluation-harness (pip install lm_eval) on a decoder that cosformer has trained.

    scripts/lm_evaluation.py --model cosformer --model_args run=RUN,program=build/release/cosformer --tasks TASK …

All flags are the harness's own. Tasks that score given texts work (multiple choice, LAMBADA); those that let the model write, or
take the perplexity of whole documents, are refused: `cosformer generate` and `cosformer eval` do that.
"""

import json
import subprocess
import sys
import tempfile

from lm_eval.api.model import LM
from lm_eval.api.registry import register_model


@register_model("cosformer")
class Cosformer(LM):
    def __init__(self, run, program="cosformer", **_):
        super().__init__()
        self.run = run
        self.program = program

    def loglikelihood(self, requests):
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
            for request in requests:
                context, continuation = request.args
                json.dump({"context": context, "continuation": continuation}, file)
                file.write("\n")
            file.flush()
            done = subprocess.run(
                [self.program, "eval", self.run, "--loglikelihood", file.name, "--json"], stdout=subprocess.PIPE, text=True
            )
        if done.returncode != 0:
            sys.exit(f"lm_evaluation: {self.program} ended with code {done.returncode}")
        scores = [json.loads(line)["scores"][0] for line in done.stdout.splitlines()]
        return [(score["log_probability"], score["greedy"]) for score in scores]

    def loglikelihood_rolling(self, requests):
        raise NotImplementedError("perplexity of whole documents: use `cosformer eval`")

    def generate_until(self, requests):
        raise NotImplementedError("tasks that let the model write are not supported: see `cosformer generate`")


if __name__ == "__main__":
    from lm_eval.__main__ import cli_evaluate

    cli_evaluate()
