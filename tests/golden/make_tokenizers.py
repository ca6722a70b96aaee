#!/usr/bin/env python3
"""Writes golden/tokenizers: small tokenizers of PyPI's `tokenizers` and `sentencepiece`, and the ids that they give.

Needs both packages (`pip install tokenizers sentencepiece`):

    tests/golden/make_tokenizers.py

texts.json holds a hard corpus, each text as hexadecimal bytes; bytes that are not UTF-8 are read there with
errors="replace". Each folder holds tokenizer.json or tokenizer.model, and expected.json with the ids and the decoded text of
every text in order. Special tokens that a post-processor adds are not among the ids.
"""

import io
import json
import pathlib
import shutil

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TEXTS = [
    b"",
    b" ",
    b"Hello, world!",
    b"I'm sure they'll say it's what we've done; you'd better, she's here, can't 'tis 'TWAS I'M",
    "The contractions’ curly form: it’s, we’ll".encode(),
    "non\u00a0breaking\u00a0 space, thin\u2009one, ideographic\u3000one, next\u0085line".encode(),
    "emoji 😀👍🏽 family 👨‍👩‍👧‍👦 flag 🇩🇪 heart ❤️ keycap 1️⃣".encode(),
    b"lines\r\nwith\r\nCRLF\r\n\r\n\nand \n newlines\n\n\n",
    b"tabs\tand\t\tmore \t mixed   runs    of     spaces      ",
    "e\u0301 combining vs \u00e9, a\u030a vs \u00e5, \u1e9b\u0323 and Ho\u0308\u0323he".encode(),
    "שלום עולם! مرحبا بالعالم، كيف الحال؟ ١٢٣".encode(),
    "日本語のテキスト、中文字符。한국어 텍스트".encode(),
    "Ελληνικά ΣΊΣΥΦΟΣ, İstanbul ISPARTA ışık, ǅ ß ẞ ﬁ ﬂ ½ ² Ⅷ ①".encode(),
    b"numbers 1 12 123 1234 3.14159 1,000,000 0x1F 1e-5 2024-01-02",
    b"code: if (x->y != 0) { return a[i++] ** 2; } // ### ___ --- <<>> @@",
    "zero\u200bwidth\u200djoiner\ufeffbom \u2028 line sep \u180e mongolian \u0000 nul \u0007 bell \ufffd".encode(),
    b"<s>special</s> <mask> in<mask>side  <mask>  [MASK] <|endoftext|>x <pad>",
    b"\xff\xfe invalid \xc3( \xe2\x82 cut \xf0\x9f\x98 short \xed\xa0\x80 surrogate \xc0\xaf overlong \x80\x80",
    b"antidisestablishmentarianism" * 5,
    "x\u0323\u0301\u0308y \u0301alone 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟘𝟙".encode(),
    b"it's   The the THE tHe\n\t the",
    "\u2581already\u2581marked \u2581 \u0120G".encode(),
    b"a" + b" " * 30 + b"b" + b"\n" * 9 + b"c",
]
GPT4 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def corpus():
    lines = (ROOT / "README.md").read_text().splitlines() + (ROOT / "LICENSE").read_text().splitlines()
    return lines + [text.decode(errors="replace") for text in TEXTS]


def train(tokenizer, trainer):
    tokenizer.train_from_iterator(corpus(), trainer)
    return tokenizer


def byte_level(prefix):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    tokenizer.decoder = decoders.ByteLevel()
    train(tokenizer, trainers.BpeTrainer(vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return tokenizer


def gpt2():
    tokenizer = byte_level(False)
    tokenizer.add_special_tokens(["<|endoftext|>"])
    return tokenizer


def roberta():
    tokenizer = byte_level(True)
    tokenizer.add_special_tokens(["<s>", "</s>", "<pad>", AddedToken("<mask>", lstrip=True)])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 401), ("<s>", 400))
    return tokenizer


def llama3():
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(GPT4), behavior="isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    train(tokenizer, trainers.BpeTrainer(vocab_size=420, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.add_special_tokens(["<|endoftext|>"])
    return tokenizer


def bytes_of_fallback():
    return [f"<0x{byte:02X}>" for byte in range(256)]


def llama2():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                           decoders.Strip(" ", 1, 0)])
    return train(tokenizer, trainers.BpeTrainer(vocab_size=600, special_tokens=["<unk>", "<s>", "</s>", *bytes_of_fallback()],
                                                limit_alphabet=70, max_token_length=8))


def metaspace():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="first")
    return train(tokenizer, trainers.BpeTrainer(vocab_size=300, special_tokens=["<unk>", "<s>"], limit_alphabet=60))


def bert(lowercase):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    train(tokenizer, trainers.WordPieceTrainer(vocab_size=420, special_tokens=special, limit_alphabet=200))
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer


def end_of_word():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(),
                                                 normalizers.Strip()])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.BPEDecoder()
    return train(tokenizer, trainers.BpeTrainer(vocab_size=350, special_tokens=["<unk>"], end_of_word_suffix="</w>",
                                                limit_alphabet=80))


def word_level():
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(r"\d+"), "0")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("merged_with_next"), pre_tokenizers.Digits(True),
        pre_tokenizers.Split("e", "merged_with_previous"), pre_tokenizers.Split(Regex("[A-Z]"), "contiguous"),
        pre_tokenizers.Split(Regex("[aiou]+"), "removed", invert=False)])
    tokenizer = train(tokenizer, trainers.WordLevelTrainer(vocab_size=300, special_tokens=["<unk>"]))
    tokenizer.add_tokens([AddedToken("The", single_word=True), AddedToken("world", rstrip=True), "ÉTÉ", "Ⅷ"])
    return tokenizer


TOKENIZERS = {"gpt2": gpt2, "roberta": roberta, "llama3": llama3, "llama2": llama2, "metaspace": metaspace,
              "bert_uncased": lambda: bert(True), "bert_cased": lambda: bert(False), "end_of_word": end_of_word,
              "word_level": word_level}
SENTENCEPIECE = {
    "sentencepiece_unigram": {"model_type": "unigram", "vocab_size": 300},
    "sentencepiece_bpe": {"model_type": "bpe", "vocab_size": 600, "byte_fallback": True, "remove_extra_whitespaces": False,
                          "user_defined_symbols": ["<mask>"]},
}


def write(folder, ids, decoded):
    (folder / "expected.json").write_text(json.dumps({"ids": ids, "decoded": decoded}, ensure_ascii=False) + "\n")


def main():
    target = HERE / "tokenizers"
    shutil.rmtree(target, ignore_errors=True)
    for name, make in TOKENIZERS.items():
        (target / name).mkdir(parents=True)
        tokenizer = make()
        tokenizer.save(str(target / name / "tokenizer.json"), pretty=False)
        ids = [tokenizer.encode(text.decode(errors="replace"), add_special_tokens=False).ids for text in TEXTS]
        write(target / name, ids, [tokenizer.decode(own, skip_special_tokens=False) for own in ids])
    for name, options in SENTENCEPIECE.items():
        (target / name).mkdir()
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(corpus()), model_writer=model, minloglevel=2,
                                                 normalization_rule_name="identity", hard_vocab_limit=False, num_threads=1,
                                                 **options)
        (target / name / "tokenizer.model").write_bytes(model.getvalue())
        processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
        ids = [processor.encode(text) for text in TEXTS]
        write(target / name, ids, [processor.decode(own) for own in ids])
    (target / "texts.json").write_text(json.dumps([text.hex() for text in TEXTS], indent=1) + "\n")


if __name__ == "__main__":
    main()
