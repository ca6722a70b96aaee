"""N-gram models of a text, for scripts/simple_baselines: interpolated absolute discounting (Ney, Essen and Kneser, 1994)."""
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
