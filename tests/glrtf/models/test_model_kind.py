import keras

from glrtf.models.retrieval_model import RetrievalModel


def test_the_trained_model_offers_no_fit_that_would_fail():
    assert issubclass(RetrievalModel, keras.layers.Layer)
    assert not any(hasattr(RetrievalModel, name) for name in ("fit", "predict", "evaluate"))
