"""MVBench, TempCompass, Video-MME, VSI-Bench, Video-MMMU and MMVU: their own files as samples, bad rows by name."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.datasets import load, read
from storage.datasets.rows import BadRow
from storage.errors import UserError

MVBENCH = {"video": "7.webm", "question": "What is done?", "candidates": ["push", "pull", "lift"], "answer": "lift"}
VIDEO_MME = {
    "video_id": "001",
    "duration": "short",
    "domain": "Knowledge",
    "sub_category": "Law",
    "url": "https://v.example/watch?v=q-1_Z",
    "videoID": "q-1_Z",
    "question_id": "001-1",
    "task_type": "Counting Problem",
    "question": "How many judges?",
    "options": ["A. One.", "B. Two.", "C. Three.", "D. Four."],
    "answer": "C",
}
VSI_BENCH = {
    "id": 4,
    "dataset": "scannet",
    "scene_name": "scene0100_00",
    "question_type": "room_size_estimation",
    "question": "How large is the room in square metres?",
    "ground_truth": "21.4",
    "options": None,
}
VSI_CHOICE = VSI_BENCH | {"question_type": "route_planning", "ground_truth": "B", "options": ["A. Left", "B. Right"]}
VIDEO_MMMU = {
    "id": "validation_Public_Health_3",
    "question": "What is the incidence?",
    "options": ["A. 2 %", "B. 4 %"],
    "answer": "A",
    "question_type": "multiple-choice",
}
MMVU = {
    "id": "validation_9",
    "video": "https://data.example/resolve/main/videos/Art/9.mp4",
    "youtube_url": " https://v.example/9",
    "question_type": "multiple-choice",
    "metadata": {"subject": "Art", "textbook": "", "rationale": "It dollies.", "knowledge": []},
    "question": "Which technique?",
    "choices": {"A": "zoom", "B": "pan", "C": "tilt", "D": "", "E": ""},
    "answer": "B",
}


def write(folder, name, rows):
    (folder / name).write_text(json.dumps(rows))
    return folder / name


def mvbench(folder, *rows, task="action_antonym"):
    return {"annotations": write(folder, f"{task}.json", rows), "video_root": folder / "video"}


def video_mme(folder, *rows):
    return {"annotations": write(folder, "test.json", rows), "video_root": folder / "data"}


vsi_bench = video_mme
mmvu = video_mme


def video_mmmu(folder, *rows):
    return {"perception": write(folder, "perception.json", rows), "video_root": folder / "data"}


def tempcompass(folder, *rows, task="multi-choice", video="10", dimension="speed"):
    return {"questions": write(folder, f"{task}.json", {video: {dimension: rows}}), "video_root": folder / "videos"}


def test_mvbench(tmp_path):
    (sample,) = load("mvbench", **mvbench(tmp_path, MVBENCH))
    assert (sample.sample_id, sample.question, sample.category) == (
        "action_antonym-0",
        "What is done?",
        "action_antonym",
    )
    assert (sample.answer, sample.options, sample.split) == ("C", ("push", "pull", "lift"), "validation")
    assert sample.video_path == str(tmp_path / "video" / "ssv2_video" / "7.webm")


def test_mvbench_reads_every_task_of_a_folder_and_no_other_file(tmp_path):
    paths = mvbench(tmp_path, MVBENCH)
    mvbench(tmp_path, MVBENCH, MVBENCH | {"start": 1.5, "end": 4.0}, task="action_sequence")
    found = read("mvbench", **paths | {"annotations": tmp_path})
    assert [(sample.sample_id, sample.media.part) for sample in found.samples] == [
        ("action_antonym-0", None),
        ("action_sequence-0", None),
        ("action_sequence-1", (1.5, 4.0)),
    ]
    mvbench(tmp_path, MVBENCH, task="juggling")
    with pytest.raises(UserError, match=r"juggling\.json: no task of MVBench has this name"):
        read("mvbench", **paths | {"annotations": tmp_path})
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: no \*\.json in it"):
        read("mvbench", **paths | {"annotations": tmp_path / "empty"})


def test_mvbench_has_videos_that_are_folders_of_pictures(tmp_path):
    row = MVBENCH | {"video": "house_s01e02", "start": 1.5, "end": 4.0}
    with pytest.raises(BadRow, match=r'\[0\]: video is "house_s01e02": a video file; a folder of pictures cannot be'):
        load("mvbench", **mvbench(tmp_path, row, task="episodic_reasoning"))


def test_tempcompass_finds_the_options_in_the_question(tmp_path):
    row = {"question": "How fast\nis it?\nA. slow\nB. fast. Very\nC. still", "answer": "B. fast. Very"}
    (sample,) = load("tempcompass", **tempcompass(tmp_path, row))
    assert (sample.sample_id, sample.question) == ("multi-choice-10-speed-0", "How fast\nis it?")
    assert (sample.answer, sample.options) == ("B", ("slow", "fast. Very", "still"))
    assert (sample.category, sample.domain, sample.split) == ("speed", "multi-choice", "validation")
    assert sample.video_path == str(tmp_path / "videos" / "10.mp4")


@pytest.mark.parametrize(("first", "second"), [("Caption A", "Caption B"), ("Option 1", "Option 2")])
def test_tempcompass_matches_captions(tmp_path, first, second):
    row = {"question": f"Which one?\n{first}: It: slow.\n{second}: It is fast.", "answer": f"{second}: It is fast."}
    (sample,) = load("tempcompass", **tempcompass(tmp_path, row, task="caption_matching"))
    assert (sample.question, sample.answer, sample.options) == ("Which one?", "B", ("It: slow.", "It is fast."))


def test_tempcompass_asks_yes_or_no(tmp_path):
    (sample,) = load("tempcompass", **tempcompass(tmp_path, {"question": "Fast?", "answer": "no"}, task="yes_no"))
    assert (sample.problem_type, sample.question, sample.answer, sample.options) == ("yes_no", "Fast?", "no", ())


def test_video_mme(tmp_path):
    (sample,) = load("video_mme", **video_mme(tmp_path, VIDEO_MME))
    assert (sample.sample_id, sample.answer, sample.options) == ("001-1", "C", ("One.", "Two.", "Three.", "Four."))
    assert (sample.category, sample.domain, sample.duration_group) == ("Counting Problem", "Knowledge", "short")
    assert sample.video_path == str(tmp_path / "data" / "q-1_Z.mp4")


def test_a_parquet_file_holds_the_same(tmp_path):
    rows = [VIDEO_MME | {"question_id": f"{number:03}-1"} for number in range(600)]
    paths = video_mme(tmp_path, *rows)
    from_json = read("video_mme", **paths)
    paths["annotations"] = tmp_path / "test-00000-of-00001.parquet"
    pq.write_table(pa.Table.from_pylist([*rows, rows[0] | {"answer": None}]), paths["annotations"])
    from_parquet = read("video_mme", **paths)
    assert from_parquet.samples == from_json.samples
    assert [rejected.line for rejected in from_parquet.rejected] == ["[600]"]
    paths["annotations"].write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"parquet: cannot be read"):
        read("video_mme", **paths)


def test_vsi_bench(tmp_path):
    rows = (VSI_BENCH, VSI_CHOICE | {"id": "5"})
    found = read("vsi_bench", **vsi_bench(tmp_path, *rows))
    number, choice = found.samples
    assert (number.sample_id, number.problem_type, number.answer, number.options) == ("4", "number", "21.4", ())
    assert (choice.problem_type, choice.answer, choice.options) == ("multiple_choice", "B", ("Left", "Right"))
    assert (choice.category, choice.domain) == ("route_planning", "scannet")
    assert number.video_path == str(tmp_path / "data" / "scannet" / "scene0100_00.mp4")
    assert dict(found.oddities) == {"text_ids": 1}


def test_video_mmmu_has_three_tracks_about_the_same_videos(tmp_path):
    paths = video_mmmu(tmp_path, VIDEO_MMMU)
    adapted = [VIDEO_MMMU | {"options": [], "answer": answer, "id": f"test_Math_{answer}"} for answer in ("0.5", "yes")]
    paths["adaptation"] = write(tmp_path, "adaptation.json", [VIDEO_MMMU, *adapted])
    samples = load("video_mmmu", **paths)
    assert [sample.sample_id for sample in samples] == [
        "perception-validation_Public_Health_3",
        "adaptation-validation_Public_Health_3",
        "adaptation-test_Math_0.5",
        "adaptation-test_Math_yes",
    ]
    assert [sample.problem_type for sample in samples] == ["multiple_choice"] * 2 + ["number", "short_text"]
    assert [(sample.category, sample.domain) for sample in samples[:3]] == [
        ("perception", "Medicine"),
        ("adaptation", "Medicine"),
        ("adaptation", "Science"),
    ]
    assert samples[0].video_path == str(tmp_path / "data" / "Medicine" / "validation_Public_Health_3.mp4")


def test_mmvu(tmp_path):
    (sample,) = load("mmvu", **mmvu(tmp_path, MMVU))
    assert (sample.sample_id, sample.answer, sample.options) == ("validation_9", "B", ("zoom", "pan", "tilt"))
    assert (sample.domain, sample.split) == ("Art", "validation")
    assert sample.video_path == str(tmp_path / "data" / "videos" / "Art" / "9.mp4")


ASKED = {"question": "Fast?\nA. yes\nB. no", "answer": "A. yes"}
GAP = {"A": "zoom", "B": "", "C": "tilt"}


@pytest.mark.parametrize(
    ("name", "make", "row", "said"),
    [
        ("mvbench", mvbench, MVBENCH | {"answer": "hold"}, '[0]: answer is "hold": the text of one of the options'),
        ("mvbench", mvbench, MVBENCH | {"video": "../../../7.webm"}, "[0]: video is"),
        ("mvbench", mvbench, MVBENCH | {"start": 4.0, "end": 1.5}, "[0]: end is 1.5: start and end are both there"),
        ("mvbench", mvbench, MVBENCH | {"start": "1.5"}, '[0]: start is "1.5": input should be a valid number'),
        ("tempcompass", tempcompass, ASKED | {"answer": "A. no"}, '10.speed[0]: answer is "A. no": the text of one'),
        ("tempcompass", tempcompass, ASKED | {"question": "Fast?"}, '10.speed[0]: question is "Fast?": a question, an'),
        ("tempcompass", tempcompass, ASKED | {"question": "A. yes\nB. no"}, "10.speed[0]: question is"),
        ("tempcompass", tempcompass, ASKED | {"question": "F?\nA. yes\nC. no"}, '10.speed[0]: question is "C. no": an'),
        ("tempcompass", tempcompass, ASKED | {"question": "F?\nA. yes\nno"}, '10.speed[0]: question is "no": an opt'),
        ("tempcompass", tempcompass, "text", '10.speed[0]: the row is "text": input should be a valid dictionary'),
        ("video_mme", video_mme, VIDEO_MME | {"answer": "c"}, '[0]: answer is "c": string should match pattern'),
        ("video_mme", video_mme, VIDEO_MME | {"answer": "E"}, '[0]: answer is "E": the letter of an option, A to D'),
        (
            "video_mme",
            video_mme,
            VIDEO_MME | {"duration": 90},
            "[0]: duration is 90: input should be 'short', 'medium'",
        ),
        (
            "vsi_bench",
            vsi_bench,
            VSI_BENCH | {"ground_truth": 21.4},
            "[0]: ground_truth is 21.4: input should be a val",
        ),
        ("vsi_bench", vsi_bench, VSI_BENCH | {"ground_truth": "much"}, '[0]: ground_truth is "much": one number in'),
        ("vsi_bench", vsi_bench, VSI_BENCH | {"options": ["A. 1", "B. 2"]}, "[0]: options is"),
        ("vsi_bench", vsi_bench, VSI_CHOICE | {"options": None}, "[0]: options is []: 2 to 26 options"),
        (
            "vsi_bench",
            vsi_bench,
            VSI_CHOICE | {"dataset": ".."},
            "[0]: dataset is \"..\": input should be 'arkitscenes'",
        ),
        ("video_mmmu", video_mmmu, VIDEO_MMMU | {"id": "Math_3"}, '[0]: id is "Math_3": a split, a subject and a'),
        ("video_mmmu", video_mmmu, VIDEO_MMMU | {"answer": "C"}, '[0]: answer is "C": the letter of an option, A to B'),
        (
            "mmvu",
            mmvu,
            MMVU | {"question_type": "open-ended"},
            '[0]: question_type is "open-ended": multiple-choice; no',
        ),
        ("mmvu", mmvu, MMVU | {"choices": GAP}, "[0]: choices is"),
        ("mmvu", mmvu, MMVU | {"choices": {"A": "zoom"}}, "[0]: choices is"),
        ("mmvu", mmvu, MMVU | {"choices": {"B": "zoom", "A": "pan"}}, "[0]: choices is"),
        ("mmvu", mmvu, MMVU | {"answer": "D"}, '[0]: answer is "D": the letter of an option, A to C'),
        ("mmvu", mmvu, MMVU | {"video": "https://data.example/9.mp4"}, "[0]: video is"),
        ("mmvu", mmvu, MMVU | {"metadata": {}}, "[0]: metadata.subject is null: field required"),
    ],
)
def test_a_bad_row_is_named_and_can_be_reported_instead(tmp_path, name, make, row, said):
    paths = make(tmp_path, row)
    with pytest.raises(BadRow) as caught:
        load(name, **paths)
    assert str(caught.value).partition(".json:")[2].startswith(said)
    assert read(name, **paths).rejected == [caught.value.rejected]


@pytest.mark.parametrize(
    ("task", "content", "said"),
    [
        ("captioning", {"10": {"speed": [ASKED]}}, '10.speed[0]: answer is "A. yes": an answer that a rule can grade'),
        ("yes_no", {"10": {"speed": [ASKED]}}, '10.speed[0]: answer is "A. yes": yes or no'),
        ("yes_no", {"10": ["speed"]}, '10: the video is ["speed"]: an object of dimensions'),
        ("yes_no", {"10": {"speed": {}}}, "10.speed: the dimension is {}: a list of questions"),
    ],
)
def test_what_is_no_question_of_tempcompass_is_named(tmp_path, task, content, said):
    file = write(tmp_path, f"{task}.json", content)
    (rejected,) = read("tempcompass", questions=file, video_root=tmp_path).rejected
    assert str(rejected).startswith(f"{file}:{said}")
