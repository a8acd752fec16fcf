"""The baselines of `make eval`, question by question: what a bootstrap needs.

Dense is Tandem's own dense search. BM25 is the Lucene form (k1 1.2, b .75, English stop
words, Snowball stems) over the texts, and the mix is .6 cosine + .4 BM25 / highest BM25, by
exact cosines of the same vectors. Global idf in every row, as published.
"""

import collections
import math
import re

import numpy
import snowballstemmer

K1, B = 1.2, 0.75
STOP = frozenset(
    "a an and are as at be but by for if in into is it no not of on or such that the their then "
    "there these they this to was will with".split()
)
WORD = re.compile(r"\b\w\w+\b")

_stemmer = snowballstemmer.stemmer("english")
_stems = {}


def words(text):
    found = []
    for word in WORD.findall(text.lower()):
        if word not in STOP:
            if word not in _stems:
                _stems[word] = _stemmer.stemWord(word)
            found.append(_stems[word])
    return found


class Bm25:
    def __init__(self, texts):
        counted = [collections.Counter(words(text)) for text in texts]
        lengths = numpy.array([sum(counts.values()) for counts in counted], dtype=numpy.float32)
        self.count = len(texts)
        self.saturation = K1 * (1 - B + B * lengths / max(lengths.mean(), 1))
        postings = collections.defaultdict(lambda: ([], []))
        for number, counts in enumerate(counted):
            for word, times in counts.items():
                postings[word][0].append(number)
                postings[word][1].append(times)
        self.postings = {word: (numpy.array(a), numpy.array(b, numpy.float32)) for word, (a, b) in postings.items()}

    def scores(self, query):
        scores = numpy.zeros(self.count, numpy.float32)
        for word, repeated in collections.Counter(words(query)).items():
            if word in self.postings:
                numbers, times = self.postings[word]
                idf = math.log(1 + (self.count - len(numbers) + 0.5) / (len(numbers) + 0.5))
                scores[numbers] += repeated * idf * times / (times + self.saturation[numbers])
        return scores


def mixed(cosines, scores):
    highest = scores.max()
    return 0.6 * cosines + 0.4 * scores / (highest if highest > 0 else 1)


def bootstrap(ours, theirs, rounds=10_000, seed=7):
    """The difference of the means and its 95 % interval, questions drawn anew."""
    differences = numpy.array(ours) - numpy.array(theirs)
    generator = numpy.random.default_rng(seed)
    drawn = generator.multinomial(len(differences), numpy.ones(len(differences)) / len(differences), size=rounds)
    low, high = numpy.percentile(drawn @ differences / len(differences), [2.5, 97.5])
    return float(differences.mean()), float(low), float(high)
