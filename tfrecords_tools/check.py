"""Checks finished shards against their description: `glrtf check OUTPUT`."""

import dataclasses
import sys
from collections.abc import Iterator, Sequence

import numpy as np

from tfrecords_tools import contact_sheet, gldv2, runners, schema, tfrecord
from tfrecords_tools.command import cli, expected
from tfrecords_tools.command.typed_settings import checked
from tfrecords_tools.dataset_info import FILE_NAME, LABELS_NAME, DatasetInfo, ShardInfo
from tfrecords_tools.errors import UserError
from tfrecords_tools.progress import Progress
from tfrecords_tools.storage import files
from tfrecords_tools.storage.hashing_reader import HashingReader


@dataclasses.dataclass
class CheckConfig:
    """Check shards, record by record, against dataset_info.json; faults are named, exit code 1.

    Attributes:
        output: A folder of shards with dataset_info.json, or one that holds such folders.
        sample: How many images to decode and draw on a contact sheet; by default 60 if --sheet is
            given, otherwise none.
        sheet: The contact sheet's file, PNG; by default contact_sheet.png.
        workers: Processes; by default one for each processor.
    """

    output: str
    sample: int | None = None
    sheet: str | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        if self.sample is None:
            self.sample = 60 if self.sheet else 0
        if not 0 <= self.sample <= 2000:
            raise ValueError(f"--sample: expected 0 to 2000, found {self.sample}")
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"--workers: expected 1 or more, found {self.workers}")


@dataclasses.dataclass(frozen=True)
class ShardJob:
    """One shard to check.

    Attributes:
        folder: Its folder.
        shard: Its description.
        schema: The names that its records use.
        num_classes: Labels are 0 to this minus 1; 0 if there are none.
        owners: Digest -> shard name, of the whole set.
    """

    folder: str
    shard: ShardInfo
    schema: str
    num_classes: int
    owners: dict[str, str]


@dataclasses.dataclass(frozen=True)
class ShardReport:
    """The result for a shard.

    Attributes:
        name: Its file name.
        faults: What is wrong, one line each.
        ids: uint64, the image_ids of its records as numbers, as far as they could be read.
    """

    name: str
    faults: tuple[str, ...]
    ids: np.ndarray


@dataclasses.dataclass(frozen=True)
class CheckedSet:
    """One set of shards.

    Attributes:
        info: Its description.
        faults: What is wrong, one line each.
    """

    info: DatasetInfo
    faults: tuple[str, ...]

    def __str__(self) -> str:
        state = f"{len(self.faults)} faults" if self.faults else "sound"
        return (
            f"{self.info.folder}: {self.info.num_examples} images in {len(self.info.shards)} "
            f"shards, {sum(shard.bytes for shard in self.info.shards)} bytes: {state}"
        )


@dataclasses.dataclass(frozen=True)
class CheckResult:
    """The result for all sets of shards.

    Attributes:
        sets: Every set below the folder.
        sheet: The contact sheet; empty if none was drawn.
        sheet_images: Images on it.
    """

    sets: tuple[CheckedSet, ...]
    sheet: str = ""
    sheet_images: int = 0

    @property
    def faults(self) -> tuple[str, ...]:
        """The faults of all sets."""
        return tuple(fault for each in self.sets for fault in each.faults)


def check(config: CheckConfig) -> CheckResult:
    """Checks every set of shards below a folder; draws a contact sheet of intact ones.

    Raises:
        UserError: If there are no finished shards, or the sheet is not a new file.
    """
    config = checked(config, CheckConfig)
    if config.sheet:
        expected.new_file("--sheet", config.sheet, config)
    infos = list(find_infos(config.output))
    sets = tuple(CheckedSet(info, tuple(_check_set(info, config.workers))) for info in infos)
    result = CheckResult(sets)
    if config.sample and not result.faults:
        sheet = config.sheet or "contact_sheet.png"
        result = CheckResult(sets, sheet, contact_sheet.draw(infos, config.sample, sheet))
    return result


def run_check(config: CheckConfig) -> int:
    """Checks and prints the result; the exit code is 1 if there are faults."""
    result = check(config)
    for line in (*result.sets, *result.faults):
        print(line)
    if result.sheet:
        print(f"{result.sheet}: {result.sheet_images} images")
    return 1 if result.faults else 0


def find_infos(output: str) -> Iterator[DatasetInfo]:
    """The finished sets of shards in a folder or directly below it.

    Raises:
        UserError: If there are none, or one is unfinished.
    """
    if files.exists(files.join(output, FILE_NAME)):
        yield DatasetInfo.load(output)
        return
    names = [*gldv2.SPLITS, gldv2.VALIDATION]
    present = [name for name in files.list_names(output) if name in names]
    if not present:
        raise UserError(
            f"{output}: expected {FILE_NAME} or folders {', '.join(names)}, found none of them"
        )
    for name in present:
        yield DatasetInfo.load(files.join(output, name))


def _check_set(info: DatasetInfo, workers: int | None) -> list[str]:
    owners = {shard.sha256: shard.name for shard in info.shards}
    jobs = [
        ShardJob(info.folder, shard, info.schema, info.num_classes, owners) for shard in info.shards
    ]
    num_bytes = sum(shard.bytes for shard in info.shards)
    processes = runners.count_workers(workers, len(jobs), num_bytes)
    reports = []
    with Progress(f"check {info.split}", len(jobs), "shard") as progress:
        for report in runners.run_jobs(check_shard, jobs, processes):
            reports.append(report)
            progress.update()
    reports.sort(key=lambda report: report.name)
    faults = [
        f"{files.join(info.folder, report.name)}: {fault}"
        for report in reports
        for fault in report.faults
    ]
    return faults + _faults_of_the_set(info, reports)


def _faults_of_the_set(info: DatasetInfo, reports: list[ShardReport]) -> list[str]:
    """Finds foreign shards, duplicate images, a wrong labels.csv, and counts that do not add up."""
    known = {shard.name for shard in info.shards}
    faults = [
        f"{files.join(info.folder, name)}: foreign: {FILE_NAME} does not list it"
        for name in files.list_names(info.folder)
        if name.endswith(".tfrecord") and name not in known
    ]
    if len(known) != len(info.shards):
        faults.append(f"{files.join(info.folder, FILE_NAME)}: lists a shard twice")
    ids, counts = np.unique(np.concatenate([report.ids for report in reports]), return_counts=True)
    doubled = ids[counts > 1]
    if len(doubled):
        example = gldv2.format_id(int(doubled[0]))
        where = [report.name for report in reports if doubled[0] in report.ids]
        faults.append(
            f"{info.folder}: {len(doubled)} images occur more than once, such as {example} "
            f"in {' and '.join(where)}"
        )
    try:
        counted = int(info.class_counts.sum())
    except (UserError, ValueError) as error:
        faults.append(str(error))
    else:
        if info.num_classes and counted != info.num_examples:
            faults.append(
                f"{files.join(info.folder, LABELS_NAME)}: counts {counted} images, {FILE_NAME} "
                f"says {info.num_examples}"
            )
    total = sum(shard.num_examples for shard in info.shards)
    if total != info.num_examples:
        faults.append(
            f"{files.join(info.folder, FILE_NAME)}: num_examples is {info.num_examples}, "
            f"its shards hold {total}"
        )
    return faults


def check_shard(job: ShardJob) -> ShardReport:
    """Reads a shard through: length, digest, checksums, number and labels of its records."""
    shard, path = job.shard, files.join(job.folder, job.shard.name)
    state = files.state(path)
    if state is None:
        return ShardReport(shard.name, ("missing",), np.empty(0, np.uint64))
    faults: list[str] = []
    if state.size != shard.bytes:
        kind = "cut" if state.size < shard.bytes else "too long"
        faults.append(f"{kind}: {state.size} bytes, expected {shard.bytes}")
    with files.open_read(path) as file:
        reader = HashingReader(file)
        ids, fault = _read_through(reader, job)
        digest = reader.finish()
    if fault:
        faults.append(fault)
    elif len(ids) != shard.num_examples:
        faults.append(f"{len(ids)} records, expected {shard.num_examples}")
    if digest != shard.sha256 and (owner := job.owners.get(digest)):
        faults.append(f"doubled: it is a copy of {owner}")
    elif digest != shard.sha256:
        faults.append(f"altered: SHA-256 is {digest}, expected {shard.sha256}")
    return ShardReport(shard.name, tuple(faults), np.array(ids, np.uint64))


def _read_through(reader: HashingReader, job: ShardJob) -> tuple[list[int], str]:
    """The image_ids of a shard's records, and the faults found while reading."""
    ids: list[int] = []
    fault = ""
    try:
        for record in tfrecord.read_records(reader):
            values = schema.decode_example(record, job.schema)
            image_id, label = values["image_id"], values["label"]
            number = gldv2.parse_id(image_id.decode(errors="replace"))
            low, high = (0, job.num_classes) if job.num_classes else (-1, 0)
            if number is None:
                fault = fault or f"record {len(ids)}: not an image id: {image_id!r}"
            elif not low <= label < high:
                fault = fault or f"record {len(ids)}: label {label} is not in {low}..{high - 1}"
            ids.append(number or 0)
    except (tfrecord.CorruptRecordError, ValueError) as error:
        fault = str(error)
    return ids, fault


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return cli.run(CheckConfig, run_check, argv=argv, positional=True)


if __name__ == "__main__":
    sys.exit(main())
