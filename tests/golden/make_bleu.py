#!/usr/bin/env python3
"""Writes bleu.json: sentences with their 13a tokens, and corpora with their BLEU, as sacreBLEU has them.

    python3 -m venv /tmp/sacrebleu && /tmp/sacrebleu/bin/pip install sacrebleu
    /tmp/sacrebleu/bin/python tests/golden/make_bleu.py
"""

import json
import pathlib
import random

import sacrebleu
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

SENTENCES = [
    "A man, a plan, a canal: Panama!", "It costs $3.50, or 1,000 yen.", "Version 2.0.1-rc3 (beta)...", "don't stop; e.g. Dr. Smith",
    "He said &quot;no&quot; &amp; left &lt;quickly&gt;.", "Zwei Männer, die 3-4 Äpfel essen - schnell.", "a\u00a0b\u2009c\u3000d", ".,.,5.,.5,",
    "", "   ", "...", "x", "50%-ige 1/2 [ok] {y} a_b^c `q` ~ @home #1 5*6+7=8", "“Größe”, ‘klein’. 漢字。ひらがな、5,5", "trailing space   ",
    "<skipped>word<skipped>", "10-year-old", "-5 and 5- and 5-.", "mid\tTab \x1d sep", "&amp;quot; &amp;lt;", "1.\u00e9,2", "C'est l'été, n'est-ce pas ?",
    "end of line-\nbroken here\nand there", "Ein Hund läuft über die Wiese.", "Ein brauner Hund rennt über das Gras .",
]
WORDS = "the a dog man woman runs sits on in green grass, . red 3.5 two children play with ball ! über Wiese".split()


def corpus(seed, sentences, noise, shortest=0, longest=14):
    """References of random words, and translations in which words are lost, doubled and exchanged."""
    draw = random.Random(seed)
    references, translations = [], []
    for _ in range(sentences):
        words = [draw.choice(WORDS) for _ in range(draw.randint(max(shortest, 1), longest))]
        kept = []
        for word in words:
            kind = draw.random()
            if kind < noise / 3:
                continue
            kept += [word, word] if kind < noise / 2 else [draw.choice(WORDS)] if kind < noise else [word]
        references.append(" ".join(words))
        translations.append(" ".join(kept))
    return translations, references


CORPORA = [corpus(1, 40, 0.1), corpus(2, 40, 0.5), corpus(3, 5, 0.9), corpus(4, 30, 0.0), corpus(5, 20, 0.3, 1, 3), corpus(6, 12, 1.5),
           (["", "", ""], ["a b", "c", "d e f g h"]), (["a b c d e", "x"], ["a b d c e", "y z"]), (["one two"], ["one two"]),
           (["x y z w v"], ["a b c d e"]), (["A dog runs. It is brown!"], ["A dog runs . It is brown !"]), (SENTENCES[:-1], SENTENCES[1:]),
           (["the the the the the the the"], ["the cat is on the mat"])]

result = {"sacrebleu": sacrebleu.__version__, "sentences": [], "corpora": []}
tokenizer = Tokenizer13a()
for sentence in SENTENCES:
    result["sentences"].append({"text": sentence, "tokens": tokenizer(sentence.rstrip()).split()})
for translations, references in CORPORA:
    bleu = sacrebleu.metrics.BLEU(smooth_method="exp", tokenize="13a", effective_order=False).corpus_score(translations, [references])
    result["corpora"].append({"translations": translations, "references": references, "score": bleu.score, "brevity_penalty": bleu.bp,
                              "matches": bleu.counts, "totals": bleu.totals, "length": bleu.sys_len, "reference_length": bleu.ref_len})
path = pathlib.Path(__file__).resolve().parent / "bleu.json"
path.write_text(json.dumps(result, indent=1, ensure_ascii=True) + "\n")
print([round(each["score"], 4) for each in result["corpora"]])
