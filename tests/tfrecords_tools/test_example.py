import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrecords_tools import example

_FEATURES = st.dictionaries(
    # All that UTF-8 encodes; hypothesis takes seconds to list a codec's characters.
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    st.binary(max_size=400) | st.integers(-(2**63), 2**63 - 1),
    max_size=5,
)


def _by_protobuf(features) -> bytes:
    import tensorflow as tf

    message = tf.train.Example()
    for name, value in features.items():
        feature = message.features.feature[name]
        if isinstance(value, bytes):
            feature.bytes_list.value.append(value)
        else:
            feature.int64_list.value.append(value)
    return message.SerializeToString(deterministic=True)


def _has_prefixes(features) -> bool:
    names = sorted(features)
    return any(later.startswith(name) for name, later in itertools.pairwise(names))


# Protobuf leaves out an empty `features` message, and its libraries differ in how they order
# a name and another that begins with it; records have neither.
@given(_FEATURES.filter(lambda features: features and not _has_prefixes(features)))
def test_encode_gives_the_bytes_of_protobuf(features):
    assert example.encode(features) == _by_protobuf(features)


@given(_FEATURES.filter(bool))
def test_decode_reverses_encode(features):
    assert example.decode(example.encode(features)) == features


def test_decode_reads_unpacked_integers():
    # int64_list { value: 5 } unpacked: field 1, wire type 0 -> 08 05.
    feature = b"\x1a\x02\x08\x05"
    entry = b"\x0a\x01a\x12" + bytes([len(feature)]) + feature
    features = b"\x0a" + bytes([len(entry)]) + entry
    assert example.decode(b"\x0a" + bytes([len(features)]) + features) == {"a": 5}


def test_features_without_a_value_are_left_out():
    import tensorflow as tf

    message = tf.train.Example()
    message.features.feature["target"].int64_list.SetInParent()
    message.features.feature["image"].bytes_list.SetInParent()
    message.features.feature["name"].bytes_list.value.append(b"a")
    assert example.decode(message.SerializeToString()) == {"name": b"a"}


@pytest.mark.parametrize("data", [b"", b"\x0a", b"\x0a\xff", b"\xff" * 12, b"\x08\x01"])
def test_decode_refuses_what_is_no_example(data):
    with pytest.raises(ValueError, match=r"not a tf\.train\.Example"):
        example.decode(data)
