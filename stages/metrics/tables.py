"""The columns of the table that each benchmark's paper prints, in its order and words.

What its scorer counts besides, by task or subject, follows; columns of which a data set has no samples are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from stages.metrics.columns import Column, Part, by, macro, values_of
from stages.metrics.scores import at_least, grounded_accuracy, iop, iou, set_iou
from storage.records import Sample

ALL = Column("all")
VSI_TASKS = {
    "Obj. Count": ("object_counting",),
    "Abs. Dist.": ("object_abs_distance",),
    "Obj. Size": ("object_size_estimation",),
    "Room Size": ("room_size_estimation",),
    "Rel. Dist.": ("object_rel_distance",),
    "Rel. Dir.": tuple(f"object_rel_direction_{level}" for level in ("easy", "medium", "hard")),
    "Route Plan": ("route_planning",),
    "Appr. Order": ("obj_appearance_order",),
}
"""Its eight tasks count alike; the three levels of the relative direction count alike within theirs."""
DURATIONS = {"15": "8-15 s", "60": "15-60 s", "600": "180-600 s", "3600": "900-3600 s"}
TRACKS = {"perception": "Perception", "comprehension": "Comprehension", "adaptation": "Adaptation"}
LENGTHS = {"short": "Short", "medium": "Medium", "long": "Long"}
TASKS = {"multi-choice": "choice", "yes_no": "yes/no", "caption_matching": "matching"}
ASPECTS = {"action": "AC", "direction": "DI", "speed": "SP", "order": "EV", "attribute_change": "AT"}
"""TempCompass' temporal aspects, for each of its tasks; `EV` is the order of events."""
MMVU_DISCIPLINES = {
    "Science": (
        "Astronomy", "Biology", "Chemistry", "Electromagnetism", "Geography", "Materials_Science", "Mechanics",
        "Modern_Physics", "Neurobiology", "Thermodynamics",
    ),
    "Healthcare": ("Basic_Medicine", "Clinical_Medicine", "Dentistry", "Pharmacy", "Preventive_Medicine"),
    "Humanities & Social Sci.": ("Art", "Economics", "History", "Law", "Literature", "Management"),
    "Engineering": (
        "Biomedical_Engineering", "Civil_Engineering", "Computer_Science", "Electrical_Engineering",
        "Electronics_and_Communication", "Mechanical_Engineering",
    ),
}  # fmt: skip
"""Which subjects a discipline of MMVU has (EvolvingLMMs-Lab/lmms-eval, lmms_eval/tasks/mmvu/utils.py)."""
GROUNDING = Part((("problem_type", ("temporal_grounding",)),))


def seed_bench_r1(samples: Sequence[Sample]) -> list[Column]:
    """By level, the third by domain, all."""
    return [*by("task_level", samples), *by("domain", samples, within=(("task_level", ("L3",)),)), ALL]


def nextgqa(samples: Sequence[Sample]) -> list[Column]:
    """Right answers, grounded ones, and how well the seconds fit."""
    return [
        Column("Acc@QA"),
        Column("Acc@GQA", grounded_accuracy),
        Column("mIoP", iop),
        *(Column(f"IoP@{threshold}", at_least(iop, threshold)) for threshold in (0.3, 0.5)),
        Column("mIoU", iou),
        *(Column(f"IoU@{threshold}", at_least(iou, threshold)) for threshold in (0.3, 0.5)),
        Column("set mIoU", set_iou),  # of VideoChat-R1, whose set-up the paper follows
    ]


def tempcompass(samples: Sequence[Sample]) -> list[Column]:
    """Each task by aspect, then as a whole."""
    columns = []
    for task in by("domain", samples, TASKS):
        names = {name: ASPECTS.get(name, name) for name in [*ASPECTS, *values_of("category", samples)]}
        aspects = {name: f"{task.title} {short}" for name, short in names.items()}
        columns += [*by("category", samples, aspects, within=task.parts[0].where), task]
    return [*columns, ALL]


def longvideobench(samples: Sequence[Sample]) -> list[Column]:
    """All, by duration, by category of question."""
    return [ALL, *by("duration_group", samples, DURATIONS), *by("category", samples)]


def mvbench(samples: Sequence[Sample]) -> list[Column]:
    """Its twenty tasks, and their mean."""
    return [*by("category", samples), macro("Avg", "category", samples)]


def video_mme(samples: Sequence[Sample]) -> list[Column]:
    """By duration, all; by domain, by type of task."""
    return [*by("duration_group", samples, LENGTHS), ALL, *by("domain", samples), *by("category", samples)]


def video_mmmu(samples: Sequence[Sample]) -> list[Column]:
    """All, by track, by discipline; the knowledge gained needs a second evaluation, of questions without the video."""
    return [ALL, *by("category", samples, TRACKS), *by("domain", samples)]


def mmvu(samples: Sequence[Sample]) -> list[Column]:
    """All, by discipline, by subject."""
    found = values_of("domain", samples)
    disciplines = {
        title: tuple(subject for subject in found if subject.replace(" ", "_") in subjects)
        for title, subjects in MMVU_DISCIPLINES.items()
    }
    columns = [Column(title, parts=(Part((("domain", there),)),)) for title, there in disciplines.items() if there]
    return [ALL, *columns, *by("domain", samples)]


def vsi_bench(samples: Sequence[Sample]) -> list[Column]:
    """The mean of its tasks, then each."""
    found = values_of("category", samples)
    known = {name for names in VSI_TASKS.values() for name in names}
    columns = []
    for title, names in {**VSI_TASKS, **{name: (name,) for name in found if name not in known}}.items():
        there = [name for name in names if name in found]
        if there:
            parts = (Part((("category", (name,)),), 1 / len(there)) for name in there)
            columns.append(Column(title, parts=tuple(parts)))
    return [Column("Avg.", parts=tuple(part for column in columns for part in column.parts)), *columns]


def own(samples: Sequence[Sample]) -> list[Column]:
    """Of data without a table: by each field that differs, all, and how well seconds fit that are asked for."""
    found = [
        column
        for field in ("task_level", "duration_group", "domain", "category")
        if len(values_of(field, samples)) > 1
        for column in by(field, samples)
    ]
    return [*found, ALL, *_recalls(samples)]


def _recalls(samples: Sequence[Sample]) -> list[Column]:
    """mIoU and R@m of the questions that ask when, if there are any."""
    if not any(GROUNDING.holds(sample) for sample in samples):
        return []
    return [
        Column("mIoU", set_iou, (GROUNDING,)),
        *(Column(f"R@{threshold}", at_least(set_iou, threshold), (GROUNDING,)) for threshold in (0.3, 0.5, 0.7)),
    ]
