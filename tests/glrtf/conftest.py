import pytest
import retrieval_files


@pytest.fixture
def retrieval(tmp_path):
    return retrieval_files.write_retrieval(tmp_path / "retrieval")


@pytest.fixture
def source(tmp_path):
    return retrieval_files.write_source(tmp_path / "source")
