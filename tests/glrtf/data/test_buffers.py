import numpy as np
import tensorflow as tf

from glrtf.data.buffers import Buffers


def test_memory_is_used_again_only_when_nobody_holds_it():
    buffers = Buffers((3, 5))
    first = buffers.take()
    view = first[1:, ::2]
    address = first.ctypes.data
    second = buffers.take()
    assert not np.shares_memory(first, second)
    del first
    third = buffers.take()  # `view` still looks into the first
    assert not np.shares_memory(view, third)
    del view
    assert buffers.take().ctypes.data == address


def test_tensorflow_takes_them_uncopied_and_keeps_them():
    buffers = Buffers((40, 50, 3))
    signature = tf.TensorSpec([40, 50, 3], tf.uint8)
    given = []

    def generate():
        for value in range(4):
            place = buffers.take()
            place[:] = value
            given.append(place.ctypes.data)
            yield place

    tensors = list(tf.data.Dataset.from_generator(generate, output_signature=signature))
    # All are held at once, so none was used again.
    assert len(set(given)) == 4 and all(address % 64 == 0 for address in given)
    assert [int(tensor[0, 0, 0]) for tensor in tensors] == [0, 1, 2, 3]
    assert all((tensor.numpy() == value).all() for value, tensor in enumerate(tensors))
