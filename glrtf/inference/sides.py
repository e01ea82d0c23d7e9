"""Sides of images at several scales."""


def scaled_side(size: int, scale: float, stride: int = 32) -> int:
    """The side in pixels of a model's input at a scale.

    Rounded to the network's stride; the model's own size at scale 1.
    """
    return size if scale == 1 else max(stride, round(size * scale / stride) * stride)
