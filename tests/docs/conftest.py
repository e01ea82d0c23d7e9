import pytest
from tf_devices import split_cpu

split_cpu()


@pytest.fixture(scope="module")
def small_networks():
    """Every backbone is a few layers, so that what is around it is what takes time."""
    from glrtf.models import efficientnet_v2

    small = efficientnet_v2.Variant("r1k3s2e1i8o8c1 r1k3s2e2i8o16se.25")
    with pytest.MonkeyPatch.context() as patch:
        for name in efficientnet_v2.VARIANTS:
            patch.setitem(efficientnet_v2.VARIANTS, name, small)
        yield
