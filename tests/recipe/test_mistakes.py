"""A broken recipe: every mistake at once, each with its line, its value, what was expected, the nearest right name."""

import pytest

HEAD = "corpora: plain\n"
# (recipe below the line `corpora: plain`, then for each mistake in order: its line, and what its message says)
BROKEN = [
    ("models: {toy: {sise: 8}}", [(2, "models.toy.sise: 8: no setting of that name", "size, ", "did you mean size?")]),
    ("models:\n  toy:\n    size: '8'", [(4, 'models.toy.size: "8": expected a whole number', "without quotes")]),
    ("models:\n  toy:\n    size:\n      8.0", [(5, "models.toy.size: 8.0: expected a whole number; write 8")]),
    ("models:\n  toy:\n    size: true", [(4, "models.toy.size: true: expected a whole number")]),
    ("models: {toy: {size: }}", [(2, "models.toy.size: null: expected a whole number")]),
    ("models: {toy: {rate_of_learning: fast}}", [(2, "rate_of_learning: fast: expected a number")]),
    ("models: {toy: {rate_of_learning: .nan}}", [(2, "rate_of_learning: NaN: expected a number")]),
    ("models: {toy: {rate_of_learning: 1e999}}", [(2, "rate_of_learning: Infinity: expected a number")]),
    ("models: {toy: {rate_of_learning: false}}", [(2, "rate_of_learning: false: expected a number")]),
    ("models: {toy: {name: 3}}", [(2, 'name: 3: expected text; put it in quotes: "3"')]),
    ("models: {toy: {name: true}}", [(2, 'expected text; put it in quotes: "true"')]),
    ("models: {toy: {fast: yes}}", [(2, "fast: yes: expected true or false; write true")]),
    ("models: {toy: {fast: off}}", [(2, "fast: off: expected true or false; write false")]),
    ("models: {toy: {fast: 1}}", [(2, "fast: 1: expected true or false")]),
    ("models: {toy: {start: kmean}}", [(2, "start: kmean: expected one of equal, kmeans; did you mean kmeans?")]),
    ("models: {toy: {deltas: true}}", [(2, "deltas: true: expected one of 0, 1, 2")]),
    ("models: {toy: {deltas: 3}}", [(2, "deltas: 3: expected one of 0, 1, 2")]),
    ("models:\n  toy:\n    widths:\n    - 1\n    - x", [(6, "widths[1]: x: expected a whole number")]),
    ("models: {toy: {widths: 3}}", [(2, "widths: 3: expected a list of whole numbers")]),
    ("models: {toy: {pair: [1]}}", [(2, "pair: [1]: expected a list of 2: a whole number, text")]),
    ("models: {toy: {floor: low}}", [(2, "floor: low: expected a number or nothing (null)")]),
    ("models:\n  toy:\n    many: [1,\n      b]", [(5, "many[1]: b: expected a whole number")]),
    ("models:\n  toy:\n    size: [8,\n      8]", [(5, "models.toy.size: 8 stands twice")]),
    ("models:\n  toy:\n    size: [8,\n      x]", [(5, "models.toy.size[1]: x: expected a whole number")]),
    ("models: {toy: {size: []}}", [(2, "size: []: an empty list", "a whole number")]),
    ("models: {toy: {size: 0}}", [(2, "models.toy: size 0: expected 1 or more")]),
    ("models: {toy: {size: [1, 0]}}", [(2, "models.toy: size 0: expected 1 or more")]),
    ("models: {toy: 3}", [(2, "models.toy: 3: expected a mapping")]),
    ("models: {toi: {}}", [(2, "models.toi: no model toi; expected one of", "gmm_hmm", "did you mean toy?")]),
    ("models:\n  mine:\n    model: gmm_hm", [(4, "models.mine.model: no model gmm_hm", "did you mean gmm_hmm?")]),
    ("models: {mine: {model: 3}}", [(2, "models.mine.model: 3: expected the name of a model")]),
    ("models: {mine: {model: 'kws_toys:Toyy'}}", [(2, "models.mine.model: ", "did you mean Toy?")]),
    ("models: {mine: {model: 'no_such_thing:Toy'}}", [(2, "models.mine.model: ", "no_such_thing", "PYTHONPATH")]),
    ("models: {mine: {model: 'kws_toys:Strange'}}", [(2, "models.mine.model: Strange.frontend", "kindd", "kind?")]),
    ("models: {a/b: {model: toy}}", [(2, "models: a/b: expected letters, digits")]),
    ("models:\n  toy:\n    rate: 8000", [(4, "models.toy.rate: 8000: no setting", "it belongs below frontend:")]),
    ("models:\n  toy:\n    silence: zeros", [(4, "models.toy.silence: zeros", "it belongs below labels:")]),
    ("models: {toy: {cell_minutes: 3}}", [(2, "models.toy.cell_minutes", "it belongs below limits:")]),
    ("models:\n  toy:\n    frontend:\n      rat: 1", [(5, "models.toy.frontend.rat: 1", "did you mean rate?")]),
    ("models:\n  toy:\n    frontend: {kind: mfc}", [(4, "frontend.kind: mfc: expected one of", "did you mean mfcc?")]),
    ("models:\n  toy:\n    frontend: {rate: 10}", [(4, "models.toy.frontend: rate is 10")]),
    ("models: {toy: {frontend: mfcc}}", [(2, "models.toy.frontend: mfcc: expected a mapping")]),
    ("models: {toy: {labels: {unknown: word}}}", [(2, "labels.unknown: word: expected one of", "did you mean words?")]),
    ("models: {toy: {labels: {keywords: [yes]}}}", [(2, "models.toy.labels.keywords", "expected one of unknown")]),
    ("models: {toy: {limits: {bad_share: 0.1}}}", [(2, "models.toy.limits.bad_share: 0.1: no setting of that name")]),
    ("models: {toy: {limits: {memory_mb: 0}}}", [(2, "models.toy.limits.memory_mb: 0: expected more than 0")]),
    ("robustness:\n  snr: [3]\nmodels: {toy: {}}", [(3, "robustness.snr: [3]: no setting", "did you mean snr_db?")]),
    ("robustness: {noises: [pnk]}\nmodels: {toy: {}}", [(2, "noises[0]: pnk: expected one of", "did you mean pink?")]),
    ("robustness:\n  speed: 0.9\nmodels: {toy: {}}", [(3, "robustness.speed: 0.9: expected a list of numbers")]),
    ("robustness: {speed: [0.9, 0]}\nmodels: {toy: {}}", [(2, "robustness: speed 0: expected from 0.5 to 2")]),
    ("robustness: {telephone: yes}\nmodels: {toy: {}}", [(2, "robustness.telephone: yes: expected true or false")]),
    ("robustness: standrad\nmodels: {toy: {}}", [(2, "robustness: standrad: expected standard or a mapping", "mean")]),
    ("robustness: [3]\nmodels: {toy: {}}", [(2, "robustness: [3]: expected standard or a mapping")]),
    ("streaming:\n  hour: 3\nmodels: {toy: {}}", [(3, "streaming.hour: 3: no setting", "did you mean hours?")]),
    ("streaming: {smoothed: 1.5}\nmodels: {toy: {}}", [(2, "streaming.smoothed: 1.5: expected a whole number")]),
    ("streaming: {hours: 0}\nmodels: {toy: {}}", [(2, "streaming: hours 0: expected from 0.01 to 24")]),
    ("streaming: {hop_s: 0}\nmodels: {toy: {}}", [(2, "streaming: hop_s 0: expected from 0.01 to 1")]),
    ("streaming: {keyword_share: 50}\nmodels: {toy: {}}", [(2, "streaming: keyword_share 50: expected more than 0")]),
    ("streaming: {snr_db: [5]}\nmodels: {toy: {}}", [(2, "streaming.snr_db: [5]: expected a list of 2: a number")]),
    ("streaming: {snr_db: [9, 5]}\nmodels: {toy: {}}", [(2, "streaming: snr_db [9, 5]: expected the lower ratio")]),
    ("streaming: {words_an_hour: 1e-3}\nmodels: {toy: {}}", [(2, "streaming: no keyword is said", "raise hours")]),
    ("streaming: standrad\nmodels: {toy: {}}", [(2, "streaming: standrad: expected standard or a mapping", "mean")]),
    ("limits: {cell_minuts: 3}\nmodels: {toy: {}}", [(2, "limits.cell_minuts: 3", "did you mean cell_minutes?")]),
    ("limits: {cell_minutes: -1}\nmodels: {toy: {}}", [(2, "limits.cell_minutes: -1.0: expected more than 0")]),
    ("limits: {bad_share: 5}\nmodels: {toy: {}}", [(2, "limits.bad_share: 5.0: expected a share from 0 to 1")]),
    ("limits: {memory_mb: 1.5}\nmodels: {toy: {}}", [(2, "limits.memory_mb: 1.5: expected a whole number")]),
    ("model: {toy: {}}", [(1, "models: expected at least one model"), (2, "model: ", "did you mean models?")]),
    ("models:", [(2, "models: expected at least one model")]),
    ("models: [toy]", [(2, "models: [", "expected a mapping")]),
    ("seed: 1.5\nmodels: {toy: {}}", [(2, "seed: 1.5: expected a whole number")]),
    ("seeds: 0\nmodels: {toy: {}}", [(2, "seeds: 0: expected at least one")]),
    ("seeds: [1, 1]\nmodels: {toy: {}}", [(2, "seeds: [1, 1]: a number stands twice")]),
    ("seeds:\n- 1\n- 1\nmodels: {toy: {}}", [(2, "seeds: [1, 1]: a number stands twice")]),
    ("seeds: [1, -1]\nmodels: {toy: {}}", [(2, "seeds: [1, -1]: expected numbers from 0 on")]),
    ("seeds: [1,\n  a]\nmodels: {toy: {}}", [(3, "seeds[1]: a: expected a whole number")]),
    ("seeds: []\nmodels: {toy: {}}", [(2, "seeds: []: expected at least one")]),
    ("study: ../elsewhere\nmodels: {toy: {}}", [(2, "study: ../elsewhere: expected letters, digits")]),
    ("keep_models: no\nmodels: {toy: {}}", [(2, "keep_models: no: expected true or false; write false")]),
    ("splits: speaker\nmodels: {toy: {}}", [(2, "splits.scheme: speaker: expected one of", "did you mean speakers?")]),
    ("splits:\n- hash\n- {fold: 3}\nmodels: {toy: {}}", [(4, "splits[1].fold: 3", "did you mean folds?")]),
    ("splits:\n- hash\n- hash\nmodels: {toy: {}}", [(4, 'splits[1]: {"scheme": "hash"} stands twice')]),
    ("splits:\n- hash\n- {scheme: hash, seed: 3}\nmodels: {toy: {}}", [(4, "splits[1].seed: 3: no setting")]),
    ("splits: []\nmodels: {toy: {}}", [(2, "splits: []: expected at least one")]),
    ("splits: {folds: 1}\nmodels: {toy: {}}", [(2, "splits: folds is 1", "2 or more")]),
    ("splits:\n- hash\n- {folds: [2, -1]}\nmodels: {toy: {}}", [(4, "splits[1]: folds is -1")]),
    ("splits: {validation_share: 7}\nmodels: {toy: {}}", [(2, "splits: validation_share is 7.0", "at most 0.5")]),
    ("labels: {silence_share: -1}\nmodels: {toy: {}}", [(2, "labels: silence_share is -1.0", "0 or more")]),
    ("labels: {keywords: [yes]}\nmodels: {toy: {}}", [(2, "labels: scheme kws12 takes no keywords")]),
    ("labels: keywords\nmodels: {toy: {}}", [(2, "labels: scheme keywords without a list")]),
    ("labels: {scheme: keywords, keywords: [a, a]}\nmodels: {toy: {}}", [(2, "labels: keyword a is named twice")]),
    ("labels: {scheme: keywords, keywords: [clip]}\nmodels: {toy: {}}", [(2, "labels: ", "called 'clip'")]),
    ("labels: {unseen: [goo]}\nmodels: {las: {}}", [(2, "labels: unseen word goo is no label", "did you mean go?")]),
    ("labels: {unseen: [go]}\nmodels:\n  las: {}\n  toy: {}", [(5, "toy cannot answer", "of: go; ", "ctc_rnn, las")]),
    ("models: {las: {labels: {unseen: [go]}}}", [(2, "models.las.labels.unseen", "expected one of unknown")]),
    ("models: {toy: {labels: {unknown_share: -0.1}}}", [(2, "models.toy.labels: unknown_share is -0.1")]),
    ("models: {light_cnn: {epochs: -1}}", [(2, "models.light_cnn: epochs is -1", "at least 1")]),
    ("models: {light_cnn: {width: 0}}", [(2, "models.light_cnn: width is 0", "at least 1")]),
    ("models: {wavception: {batch_size: [16, 0]}}", [(2, "models.wavception: batch_size is 0", "at least 2")]),
    ("models: {wavception: {norm_decay: 1.5}}", [(2, "models.wavception: norm_decay is 1.5", "below 1")]),
    ("models: {wavception: {noise_share: 2}}", [(2, "models.wavception: noise_share is 2.0")]),
    ("models: {gmm: {mixtures: 0}}", [(2, "models.gmm: mixtures is 0", "at least 1")]),
    ("models: {gmm_hmm: {tol: -1}}", [(2, "models.gmm_hmm: tol is -1.0", "at least 0")]),
    ("labels: kws21\nmodels: {toy: {}}", [(2, "labels.scheme: kws21", "did you mean kws12?")]),
    ("labels: 12\nmodels: {toy: {}}", [(2, "labels: 12: expected a mapping")]),
    ("labels:\n- keywords:\n  - yes\n  - true\nmodels: {toy: {}}", [(5, "labels[0].keywords[1]: true: expected text")]),
    ("models:\n  toy: {size: 1}\n  toy: {}", [(4, "toy: the key stands twice", "first in r.yaml:3")]),
    ("models: {toy: {size: 1,\n  size: 2}}", [(3, "size: the key stands twice", "first in r.yaml:2")]),
    ("models: {toy: {}, 3: {}}", [(2, "key 3 is no text; put it in quotes")]),
    ("models: {toy: {}}\nseed: !mine 3", [(3, "tag !mine is not read"), (3, "seed: ")]),
    ("models: {toy: {}}\nlimits: !!set {a}", [(3, "tag tag:yaml.org,2002:set is not read")]),
    ("models:\n  toy: &t {size: 1}\n  b:\n    model: toy\n    <<: *t", [(6, "merge key << is not read")]),
    ("extends: 3\nmodels: {toy: {}}", [(2, "extends: 3: expected the path of a recipe")]),
]


@pytest.mark.parametrize(("text", "expected"), BROKEN, ids=[text.replace("\n", " ") for text, _ in BROKEN])
def test_a_mistake_names_its_line_and_the_right_name(write, mistakes, text, expected):
    found = mistakes(write(HEAD + text))
    assert len(found) == len(expected), found
    for line, (number, *fragments) in zip(found, expected, strict=True):
        assert line.startswith(f"r.yaml:{number}: ")
        for fragment in fragments:
            assert fragment in line


def test_all_mistakes_come_at_once_in_the_order_of_the_lines(write, mistakes):
    path = write(
        """
        study: a b
        seed: x
        sedes: 3
        corpora:
          plain: {a: 1}
          toys: {}
          fsddd: {}
        splits: [{schem: hash}]
        labels: [kws13]
        models:
          toy: {size: a, start: b, frontend: {rate: c}}
          toi: {}
        limits: {memory_mb: d}
        keep_models: e
        """
    )
    found = mistakes(path, overrides=["models.toy.widths=f", "seedz=1"], only="toyy")
    lines = [line.split(": ")[0] for line in found]
    numbers = [1, 2, 3, 5, 6, 7, 8, 9, 11, 11, 11, 12, 13, 14]
    assert lines[:14] == [f"r.yaml:{number}" for number in numbers]
    assert lines[14:] == ["--set seedz=1", "--set models.toy.widths=f", "--only toyy"]
    assert "corpora.toys.manifest: missing; expected text" in found[4]
    assert "did you mean fsdd?" in found[5]
