# What `import glrtf` offers: the one list of its names. Type checkers read it as a stub,
# `glrtf.api.lazy` reads the module of each name from it, and the reference page shows these names
# in this order. Everything else is private.
# ruff: noqa: I001

__version__: str

# Embedding sets.
from glrtf.api.sets import open_set as open_set
from glrtf.api.sets import write_set as write_set
from glrtf.api.sets import import_rows as import_rows
from glrtf.api.sets import export_rows as export_rows
from glrtf.api.sets import join_sets as join_sets
from glrtf.embeddings.embedding_set import EmbeddingSet as EmbeddingSet
from glrtf.embeddings.joined_rows import JoinedRows as JoinedRows
from glrtf.embeddings.versions import SetChange as SetChange

# Search, rank and score, in memory.
from glrtf.api.ranking import search as search
from glrtf.retrieval.search.neighbors import Neighbors as Neighbors
from glrtf.api.ranking import rank as rank
from glrtf.api.ranking import RankResult as RankResult
from glrtf.api.scoring import score as score
from glrtf.api.scoring import score_labels as score_labels

# Photos next to each other, for notebooks.
from glrtf.api.pictures import photo_row as photo_row

# Models, photos and shards; they load TensorFlow.
from glrtf.api.models import load_embedder as load_embedder
from glrtf.service.photo_embedder import PhotoEmbedder as PhotoEmbedder
from glrtf.api.models import open_bundle as open_bundle
from glrtf.service.photo_bundle import PhotoBundle as PhotoBundle
from glrtf.api.models import build_model as build_model
from glrtf.models.heads import ArcFaceHead as ArcFaceHead
from glrtf.api.models import read_shards as read_shards

# The commands: a function each, which takes settings and returns a result.
from glrtf.commands.demo import demo as demo
from glrtf.config.demo import DemoConfig as DemoConfig
from glrtf.commands.demo import DemoResult as DemoResult
from tfrecords_tools.sample.draw import sample as sample
from tfrecords_tools.sample.draw import SampleConfig as SampleConfig
from tfrecords_tools.sample.draw import SampleResult as SampleResult
from tfrecords_tools.arrange import arrange as arrange
from tfrecords_tools.arrange import ArrangeConfig as ArrangeConfig
from tfrecords_tools.arrange import ArrangeResult as ArrangeResult
from glrtf.commands.prepare_revisited import prepare_revisited as prepare_revisited
from glrtf.config.evaluation import PrepareRevisitedConfig as PrepareRevisitedConfig
from glrtf.commands.prepare_revisited import PrepareRevisitedResult as PrepareRevisitedResult
from glrtf.commands.prepare_benchmark import prepare_benchmark as prepare_benchmark
from glrtf.config.evaluation import PrepareBenchmarkConfig as PrepareBenchmarkConfig
from glrtf.commands.prepare_benchmark import PrepareBenchmarkResult as PrepareBenchmarkResult
from tfrecords_tools.build import build as build
from tfrecords_tools.build_config import BuildConfig as BuildConfig
from tfrecords_tools.build import BuildResult as BuildResult
from tfrecords_tools.check import check as check
from tfrecords_tools.check import CheckConfig as CheckConfig
from tfrecords_tools.check import CheckResult as CheckResult
from tfrecords_tools.stats import stats as stats
from tfrecords_tools.stats import StatsConfig as StatsConfig
from tfrecords_tools.stats import StatsResult as StatsResult
from glrtf.commands.preview import preview as preview
from glrtf.config.data import PreviewConfig as PreviewConfig
from glrtf.commands.preview import PreviewResult as PreviewResult
from glrtf.commands.plan import plan as plan
from glrtf.config.planning import PlanConfig as PlanConfig
from glrtf.commands.plan import PlanResult as PlanResult
from glrtf.commands.weights import weights as weights
from glrtf.config.weights import WeightsConfig as WeightsConfig
from glrtf.commands.weights import WeightsResult as WeightsResult
from glrtf.commands.train import train as train
from glrtf.config.training import TrainConfig as TrainConfig
from glrtf.commands.train import TrainResult as TrainResult
from glrtf.commands.export import export as export
from glrtf.config.inference import ExportConfig as ExportConfig
from glrtf.commands.export import ExportResult as ExportResult
from glrtf.commands.describe import describe as describe
from glrtf.config.descriptor import DescribeConfig as DescribeConfig
from glrtf.commands.describe import DescribeResult as DescribeResult
from glrtf.commands.embed import embed as embed
from glrtf.config.inference import EmbedConfig as EmbedConfig
from glrtf.commands.embed import EmbedResult as EmbedResult
from glrtf.commands.rows_import import rows_import as rows_import
from glrtf.config.rows import RowsImportConfig as RowsImportConfig
from glrtf.embeddings.foreign.importing import RowsImportResult as RowsImportResult
from glrtf.commands.rows_export import rows_export as rows_export
from glrtf.config.rows import RowsExportConfig as RowsExportConfig
from glrtf.commands.rows_export import RowsExportResult as RowsExportResult
from glrtf.commands.index_add import index_add as index_add
from glrtf.config.index import IndexAddConfig as IndexAddConfig
from glrtf.commands.index_add import IndexAddResult as IndexAddResult
from glrtf.commands.index_remove import index_remove as index_remove
from glrtf.config.index import IndexRemoveConfig as IndexRemoveConfig
from glrtf.commands.index_remove import IndexRemoveResult as IndexRemoveResult
from glrtf.commands.index_compact import index_compact as index_compact
from glrtf.config.index import IndexCompactConfig as IndexCompactConfig
from glrtf.commands.index_compact import IndexCompactResult as IndexCompactResult
from glrtf.commands.clean import clean as clean
from glrtf.config.cleaning import CleanConfig as CleanConfig
from glrtf.commands.clean import CleanResult as CleanResult
from glrtf.commands.adapt import adapt as adapt
from glrtf.config.adapting import AdaptConfig as AdaptConfig
from glrtf.commands.adapt import AdaptResult as AdaptResult
from glrtf.commands.whiten import whiten as whiten
from glrtf.config.whitening import WhitenConfig as WhitenConfig
from glrtf.commands.whiten import WhitenResult as WhitenResult
from glrtf.commands.retrieve import retrieve as retrieve
from glrtf.config.retrieval import RetrieveConfig as RetrieveConfig
from glrtf.commands.retrieve import RetrieveResult as RetrieveResult
from glrtf.commands.recognize import recognize as recognize
from glrtf.config.recognition import RecognizeConfig as RecognizeConfig
from glrtf.commands.recognize import RecognizeResult as RecognizeResult
from glrtf.commands.evaluate import evaluate as evaluate
from glrtf.config.evaluation import EvaluateConfig as EvaluateConfig
from glrtf.commands.evaluate import EvaluateResult as EvaluateResult
from glrtf.commands.report import report as report
from glrtf.config.evaluation import ReportConfig as ReportConfig
from glrtf.commands.report import ReportResult as ReportResult
from glrtf.commands.tune import tune as tune
from glrtf.config.evaluation import TuneConfig as TuneConfig
from glrtf.tuning.result import TuneResult as TuneResult
from glrtf.commands.ablate import ablate as ablate
from glrtf.config.evaluation import AblateConfig as AblateConfig
from glrtf.commands.ablate import AblateResult as AblateResult
from glrtf.commands.bundle import bundle as bundle
from glrtf.config.bundle import BundleConfig as BundleConfig
from glrtf.commands.bundle import BundleResult as BundleResult
from glrtf.commands.search import search_photos as search_photos
from glrtf.config.service import PhotoSearchConfig as PhotoSearchConfig
from glrtf.commands.search import PhotoSearchResult as PhotoSearchResult
from glrtf.commands.serve import serve as serve
from glrtf.config.service import ServeConfig as ServeConfig
from glrtf.commands.serve import ServeResult as ServeResult
from glrtf.commands.evaluate_index import evaluate_index as evaluate_index
from glrtf.config.service import EvaluateIndexConfig as EvaluateIndexConfig
from glrtf.commands.evaluate_index import EvaluateIndexResult as EvaluateIndexResult
from glrtf.commands.completion import completion as completion
from glrtf.config.completion import CompletionConfig as CompletionConfig
from glrtf.commands.completion import CompletionResult as CompletionResult

# Settings from files, and groups of settings.
from glrtf.api.settings import load_settings as load_settings
from glrtf.config.data import AugmentConfig as AugmentConfig
from glrtf.config.reranking import DbaConfig as DbaConfig
from glrtf.config.descriptor import DescriptorConfig as DescriptorConfig
from glrtf.config.distillation import DistillConfig as DistillConfig
from glrtf.config.ranking import FusionConfig as FusionConfig
from glrtf.config.data import InputConfig as InputConfig
from glrtf.config.ranking import LandmarkConfig as LandmarkConfig
from glrtf.config.reranking import LandmarkRerankConfig as LandmarkRerankConfig
from glrtf.config.reranking import QueryExpansionConfig as QueryExpansionConfig
from glrtf.config.reranking import RerankConfig as RerankConfig
from glrtf.config.search import SearchConfig as SearchConfig
from glrtf.config.ranking import TrainNeighborsConfig as TrainNeighborsConfig

# Errors.
from tfrecords_tools.errors import UserError as UserError
