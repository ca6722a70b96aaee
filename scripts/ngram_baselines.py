"""N-gram models of a text, for scripts/simple_baselines: interpolated absolute discounting (Ney, Essen and Kneser, 1994)."""
import itertools
import json
import pathlib

import numpy

DISCOUNT = 0.75


def read_tokens(paths, tokens):
    """The ids of each text, under one vocabulary, and its size. `tokens`: word, char, byte, or a folder with vocab.json and merges.txt."""
    texts = [pathlib.Path(path).read_bytes() for path in paths]
    if tokens == "byte":
        return [numpy.frombuffer(text, dtype=numpy.uint8).astype(numpy.int64) for text in texts], 256
    texts = [text.decode("utf-8") for text in texts]
    if tokens in ("word", "char"):
        # As the program's word tokenizer: blanks part words, a newline is a token of its own.
        pieces = [text.replace("\n", " <eos> ").split() if tokens == "word" else list(text) for text in texts]
        # The vocabulary is that of the first text, as in training; what is not in it is one unknown token.
        vocabulary = {token: i for i, token in enumerate(sorted(set(pieces[0])))}
        unknown = vocabulary.setdefault("<unk>", len(vocabulary)) if tokens == "word" else len(vocabulary)
        ids = [numpy.array([vocabulary.get(token, unknown) for token in text], dtype=numpy.int64) for text in pieces]
        return ids, max(len(vocabulary), unknown + 1 if any((text == unknown).any() for text in ids) else 0)
    from tokenizers import ByteLevelBPETokenizer

    folder = pathlib.Path(tokens)
    encoder = ByteLevelBPETokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), add_prefix_space=False)
    ids = [numpy.array(encoder.encode(text).ids, dtype=numpy.int64) for text in texts]
    return ids, len(json.loads((folder / "vocab.json").read_text(encoding="utf-8")))


def probabilities(train, test, vocab_size, orders):
    """For each order 1 to `orders`: the probability of each token of `test`, given as many tokens before it as the order looks at."""
    both = numpy.concatenate([train, test])
    is_train = numpy.arange(both.size) < train.size
    place = numpy.concatenate([numpy.arange(train.size), numpy.arange(test.size)])
    counts = numpy.bincount(train, minlength=vocab_size)
    seen = (counts > 0).sum()
    below = (numpy.maximum(counts - DISCOUNT, 0) + DISCOUNT * seen / vocab_size) / train.size
    result = [below[test]]
    grams = both
    for order in range(2, orders + 1):
        histories = numpy.concatenate([[0], grams[:-1]])
        whole = place >= order - 1  # grams that do not reach over the beginning of a text
        _, grams = numpy.unique(histories * vocab_size + both, return_inverse=True)
        counted = is_train & whole
        gram_counts = numpy.bincount(grams[counted], minlength=grams.max() + 1)
        history_counts = numpy.bincount(histories[counted], minlength=histories.max() + 1)
        _, first = numpy.unique(grams[counted], return_index=True)
        kinds = numpy.bincount(histories[counted][first], minlength=history_counts.size)
        mine = ~is_train
        history, gram, lower = histories[mine], grams[mine], result[-1]
        total = history_counts[history]
        usable = (total > 0) & whole[mine]
        here = (numpy.maximum(gram_counts[gram] - DISCOUNT, 0) + DISCOUNT * kinds[history] * lower) / numpy.maximum(total, 1)
        result.append(numpy.where(usable, here, lower))
    return result


def report_ngrams(train_path, test_path, tokens, orders, train_tokens):
    (train, test), vocab_size = read_tokens([train_path, test_path], tokens)
    train = train[:train_tokens] if train_tokens else train
    print(f"{len(train)} tokens to count, {len(test) - 1} to predict, vocabulary {vocab_size}, discount {DISCOUNT}")
    for order, chance in enumerate(probabilities(train, test, vocab_size, orders), start=1):
        loss = -numpy.log(chance[1:]).mean()
        print(f"order {order}: {loss:.3f} nats per token, perplexity {numpy.exp(loss):.1f}")


def transitions(train, vocab_size):
    """The probability of each token (vocab_size,), and of each token behind each other (vocab_size, vocab_size), as `probabilities` has them."""
    counts = numpy.bincount(train, minlength=vocab_size)
    alone = (numpy.maximum(counts - DISCOUNT, 0) + DISCOUNT * (counts > 0).sum() / vocab_size) / train.size
    pairs = numpy.bincount(train[:-1] * vocab_size + train[1:], minlength=vocab_size**2).reshape(vocab_size, vocab_size)
    total, kinds = pairs.sum(axis=1, keepdims=True), (pairs > 0).sum(axis=1, keepdims=True)
    behind = (numpy.maximum(pairs - DISCOUNT, 0) + DISCOUNT * kinds * alone) / numpy.maximum(total, 1)
    return alone, numpy.where(total > 0, behind, alone).astype(numpy.float32)


def masked_losses(train, test, vocab_size):
    """Mean -log P of a token given its left neighbour or none, its right one or none: (left, right) -> nats. P is that of the chain of `transitions`."""
    alone, behind = transitions(train, vocab_size)
    sums, count = {}, len(test) - 2
    for begin in range(1, len(test) - 1, 1024):
        here = numpy.arange(begin, min(begin + 1024, len(test) - 1))
        rows, tokens = numpy.arange(here.size), test[here]
        for left, right in itertools.product((False, True), repeat=2):
            chance = behind[test[here - 1]] if left else numpy.broadcast_to(alone.astype(numpy.float32), (here.size, vocab_size))
            if right:
                chance = chance * behind[:, test[here + 1]].T
                chance = chance / chance.sum(axis=1, keepdims=True, dtype=numpy.float64)
            sums[left, right] = sums.get((left, right), 0.0) - numpy.log(chance[rows, tokens].astype(numpy.float64)).sum()
    return {key: value / count for key, value in sums.items()}


def report_masked(train_path, test_path, tokens, hidden, train_tokens):
    (train, test), vocab_size = read_tokens([train_path, test_path], tokens)
    train = train[:train_tokens] if train_tokens else train
    if vocab_size > 16384:
        raise SystemExit(f"masked: a vocabulary of {vocab_size} makes too large a table of pairs; expected at most 16384 tokens")
    losses = masked_losses(train, test, vocab_size)
    print(f"{len(train)} tokens to count, {len(test) - 2} to predict, vocabulary {vocab_size}, discount {DISCOUNT}")
    for name, sides in (("left neighbour", (True, False)), ("both neighbours", (True, True))):
        # A neighbour that is masked itself is not seen; the sides are masked independently.
        seen = itertools.product(*((True, False) if side else (False,) for side in sides))
        share = lambda shown, side: 1.0 if not side else 1 - hidden if shown else hidden
        loss = sum(share(left, sides[0]) * share(right, sides[1]) * losses[left, right] for left, right in seen)
        print(f"{name:16} {losses[sides]:.3f} nats per token; {loss:.3f} if {100 * hidden:g} % of the neighbours are masked too")
