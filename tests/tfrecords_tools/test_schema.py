import pytest

from tfrecords_tools import example, schema

_RECORD = schema.encode_example(b"jpeg bytes", "0123456789abcdef", 300, 140151, 30, 40)


def _kaggle(image_id: bytes, target: int) -> bytes:
    return example.encode({"image": b"kaggle bytes", "image_name": image_id, "target": target})


def test_a_record_holds_the_official_names():
    assert example.decode(_RECORD) == {
        "image/encoded": b"jpeg bytes",
        "image/format": b"jpeg",
        "image/height": 30,
        "image/width": 40,
        "image/id": b"0123456789abcdef",
        "image/class/label": 300,
        "image/class/landmark_id": 140151,
    }


def test_parse_example_gives_what_was_encoded():
    import tensorflow as tf

    parsed = schema.parse_example(tf.constant(_RECORD))
    assert {name: tensor.numpy() for name, tensor in parsed.items()} == {
        "encoded": b"jpeg bytes",
        "image_id": b"0123456789abcdef",
        "label": 300,
        "landmark_id": 140151,
    }
    assert parsed["label"].dtype == tf.int64


def test_both_schemas_give_the_same_tensors():
    import tensorflow as tf

    parsed = schema.parse_example(tf.constant(_kaggle(b"fedcba9876543210", 7)), "kaggle")
    assert parsed["encoded"].numpy() == b"kaggle bytes"
    assert parsed["image_id"].numpy() == b"fedcba9876543210"
    assert (parsed["label"].numpy(), parsed["landmark_id"].numpy()) == (7, -1)


@pytest.mark.parametrize(
    ("records", "name"), [([_RECORD] * 3, "gldv2"), ([_kaggle(b"a" * 16, 1)] * 3, "kaggle")]
)
def test_parse_example_takes_many_records_inside_a_graph(records, name):
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices(records).batch(2)
    batches = list(dataset.map(lambda serialized: schema.parse_example(serialized, name)))
    assert [batch["label"].shape[0] for batch in batches] == [2, 1]
    assert {tuple(batch) for batch in batches} == {("encoded", "image_id", "label", "landmark_id")}


def test_decode_example_agrees_with_parse_example():
    import tensorflow as tf

    parsed = schema.parse_example(tf.constant(_RECORD))
    assert schema.decode_example(_RECORD) == {key: t.numpy() for key, t in parsed.items()}


def test_decode_example_names_the_schema_it_expected():
    with pytest.raises(ValueError, match="expected a record of schema gldv2, found image"):
        schema.decode_example(_kaggle(b"a" * 16, 1))
