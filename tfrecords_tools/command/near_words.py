"""Suggestions for unknown words: the nearest known one."""

import difflib
from collections.abc import Sequence

# What other programs call these options. Only names that are not found by their letters or parts
# are listed.
_OTHER_NAMES = {
    "arch": "backbone",
    "network": "backbone",
    "save_dir": "workdir",
    "log_dir": "workdir",
    "run_dir": "workdir",
    "resolution": "size",
    "device": "strategy",
    "gpus": "strategy",
    "topk": "limit",
    "top_k": "limit",
    "pretrained": "weights",
}
_NEAR = 0.6
_VERY_NEAR = 0.8


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """``"; did you mean X?"`` if a known word is similar, else an empty string.

    Case is ignored.
    """
    # An abbreviation, such as a100 for a100-40, is preferred to a misspelling.
    cut = [each for each in known if len(word) > 1 and each.lower().startswith(word.lower())]
    found = cut[0] if cut else _by_letters(word, known, _NEAR)
    return f"; did you mean {found}?" if found else ""


def option_meant(name: str, known: Sequence[str]) -> str:
    """The option that was probably meant by `name`; empty if none is near.

    Letters decide if they nearly agree (``learning_rat``); then initials (``lr`` for
    ``learning_rate``), parts (``output_dir`` for ``output``, ``batch`` for ``batch_size``), and
    what other programs call an option.

    Args:
        name: Without its dashes, with underscores.
        known: The options, without dashes.
    """
    group, _, rest = name.rpartition(".")
    in_group = [each.removeprefix(f"{group}.") for each in known if each.startswith(f"{group}.")]
    if group and in_group:
        # The group's own letters say nothing about which of its settings is meant.
        meant = option_meant(rest, in_group)
        return f"{group}.{meant}" if meant else ""
    # A group's setting is never meant by a plain name: --landmark.keep is not --landmarks.
    known = [option for option in known if ("." in option) == ("." in name)]
    if found := _by_letters(name, known, _VERY_NEAR):
        return found
    for option in known:
        if len(name) > 1 and name == "".join(part[0] for part in option.split("_")):
            return option
    if (other := _OTHER_NAMES.get(name.lower(), "")) in known:
        return other
    shares = {option: _shared_parts(name, option) for option in known}
    best = max(shares, key=lambda option: shares[option], default="")
    if best and shares[best]:
        return best
    return _by_letters(name, known, _NEAR)


def _shared_parts(name: str, option: str) -> float:
    """How many of the parts of both they share, 0 to 1."""
    ours, theirs = set(option.lower().split("_")), set(name.lower().split("_"))
    return len(ours & theirs) / len(ours | theirs)


def _by_letters(word: str, known: Sequence[str], cutoff: float) -> str:
    by_lower = {each.lower(): each for each in reversed(known)}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[near[0]] if near else ""


def separate_with_spaces(values: Sequence[str]) -> str:
    """``"; separate them with spaces: a b"`` if one of several values contains commas."""
    if not any("," in value for value in values):
        return ""
    apart = [part.strip() for value in values for part in value.split(",") if part.strip()]
    return f"; separate them with spaces: {' '.join(apart)}"
