"""The table and the page, from results that are made up."""

import io
import json
import random
import re
import statistics
from html.parser import HTMLParser

import matplotlib
import pytest
from rich.console import Console

from cosim.report import BLUE, table, write
from cosim.results import QUANTITIES, Agreement, NetworkResult, Picture, Raster, Results, SweepPoint

LAYERS, NEURONS, SPIKES = ("conv1", "conv2"), (1024, 128), 40
# When the images of lif stop, and which images of each network are answered wrongly.
STOPPED = [1] * 38 + [2] * 7 + [3] * 4 + [4]
WRONG = {"ttfs": {4: 8, 7: 1, 31: 5}, "lif": {49: 2}}

# What the table says of the two networks, with plain spaces.
ROWS = [
    ["images", "50", "50"],
    ["golden accuracy", "94.00 %", "98.00 %"],
    ["RTL accuracy", "92.00 %", "92.00 %"],
    ["agreement in class", "50 of 50", "50 of 50"],
    ["agreement in exit timestep", "50 of 50", "50 of 50"],
    ["agreement in logits", "50 of 50", "50 of 50"],
    ["agreement in signatures", "50 of 50", "50 of 50"],
    ["agreement in counters", "50 of 50", "50 of 50"],
    ["agreement in cycles", "50 of 50", "50 of 50"],
    ["agreement in layer cycles", "50 of 50", "50 of 50"],
    ["average timesteps", "1.00 of 1", "1.36 of 4"],
    ["cycles per image, minimum", "10 000", "10 000"],
    ["cycles per image, median", "10 024", "10 024"],
    ["cycles per image, maximum", "10 049", "40 049"],
    ["synaptic operations per image", "123 457", "123 457"],
    ["busy columns", "19.25 %", "19.25 %"],
    ["simulated cycles per second", "654 321", "654 321"],
]
SWEEP, EXITS, CYCLES, CAUSES = ("accuracy and cycles against the exit threshold", "images by exit timestep",
                                "images by cycles", "share of cycles by cause")
EASY, HARD = "spikes of the easy image", "spikes of the hard image"


def picture(index, timesteps, answer):
    cycles = 10_000 * timesteps + index
    return Picture(index=index, label=3, class_index=answer, timesteps=timesteps, cycles=cycles,
                   busy_cycles=cycles // 2, empty_cycles=cycles // 8, fire_cycles=cycles // 20,
                   events=2345, synaptic_operations=123_456, spikes=1567, neurons=2570)


def raster(index, timesteps, slots):
    generator = random.Random(index)
    spikes = tuple(tuple((generator.randint(1, timesteps), generator.randrange(slots), generator.randrange(neurons))
                         for _ in range(SPIKES)) for neurons in NEURONS)
    return Raster(index=index, label=3, class_index=6, timesteps=timesteps, layers=LAYERS, spikes=spikes,
                  neurons=NEURONS)


def network(name, stopped, *, timesteps, slots, golden_accuracy, **changes):
    pictures = tuple(picture(index, k, WRONG[name].get(index, 3)) for index, k in enumerate(stopped))
    cycles = [entry.cycles for entry in pictures]
    return NetworkResult(**dict(
        network=name, network_sha256="ab", images=len(stopped), golden_accuracy=golden_accuracy, rtl_accuracy=0.92,
        agreement={quantity: Agreement(equal=len(stopped), of=len(stopped)) for quantity in QUANTITIES},
        timesteps=timesteps, slots=slots, exit_rule="budget", exit_threshold=0.0,
        average_timesteps=statistics.fmean(stopped), cycles_min=min(cycles), cycles_median=statistics.median(cycles),
        cycles_max=max(cycles), synaptic_operations=123_456.7, busy_columns=0.1925,
        simulated_cycles_per_second=654_321.4, cycles_after=(), cycles_after_images=0, sweep=(),
        rasters={"easy": raster(5, 1, slots), "hard": raster(49, timesteps, slots)}, pictures=pictures) | changes)


def ttfs(images=50, **changes):
    return network("ttfs", [1] * images, timesteps=1, slots=24, golden_accuracy=0.94, **changes)


def lif(**changes):
    sweep = tuple(SweepPoint(threshold=step / 8, accuracy=0.98 - step / 1000, timesteps=4 - step / 10,
                             cycles=40_000.0 - 1000 * step) for step in range(27))
    return network("lif", STOPPED, timesteps=4, golden_accuracy=0.98,
                   **dict(slots=1, exit_rule="entropy", exit_threshold=1.1875, sweep=sweep,
                          cycles_after_images=12, cycles_after=(10_007.0, 20_008.0, 30_009.0, 40_010.0)) | changes)


def results(*networks):
    return Results(command="python -m cosim compare", commit="0123456789ab+", config="default", columns=64, walkers=1,
                   latency=0, pause=0, verilog_sha256="c0ffee" * 10 + "abcd", networks=networks or (ttfs(), lif()))


def printed(width, *networks, **options):
    console = Console(record=True, width=width, force_terminal=True, file=io.StringIO())
    console.print(table(results(*networks)))
    return console.export_text(**options).replace("\xa0", " ")


class Page(HTMLParser):
    """What a browser makes of a page: tags, addresses, cells of tables, texts of plots by label, all other text.

    No-break spaces become spaces.
    """

    def __init__(self, source):
        super().__init__()
        self.tags, self.addresses, self.tables, self.plots, self.words = set(), [], [], {}, []
        self.sink = self.words
        self.feed(source)
        self.svg = dict(re.findall(r'<svg role="img" aria-label="(.*?)"(.*?)</svg>', source, re.DOTALL))

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.add(tag)
        self.addresses += [attributes[name] for name in ("href", "src", "xlink:href") if name in attributes]
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("th", "td"):
            self.sink = []
        elif tag == "svg":
            self.sink = self.plots[attributes["aria-label"]] = []

    def handle_endtag(self, tag):
        if tag in ("th", "td"):
            self.tables[-1][-1].append("".join(self.sink))
        if tag in ("th", "td", "svg"):
            self.sink = self.words

    def handle_data(self, data):
        self.sink.append(data.replace("\xa0", " "))

    def texts(self, label):
        """The texts of a plot."""
        return [text.strip() for text in self.plots[label] if text.strip()]


def page(folder, *networks):
    return Page(write(results(*networks), folder).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The page of both networks."""
    return page(tmp_path_factory.mktemp("report"))


@pytest.mark.parametrize("width", [80, 100, 120])
def test_the_table_shows_every_figure(width):
    lines = [re.split("[│┃]", line)[1:-1] for line in printed(width).splitlines() if line[0] in "│┃"]
    assert [[cell.strip() for cell in line] for line in lines] == [["default, 64 columns", "ttfs", "lif"], *ROWS]


def test_the_table_is_green_where_all_images_agree_and_red_where_one_does_not():
    agreement = lif().agreement | {"logits": Agreement(equal=49, of=50)}
    text = printed(80, ttfs(), lif(agreement=agreement), styles=True)
    assert text.count("\x1b[32m") == 2 * len(QUANTITIES) - 1
    assert len(re.findall("\x1b\\[1;31m *49 of 50", text)) == text.count("\x1b[1;31m") == 1


def test_results_come_back_from_their_file(tmp_path):
    write(results(), tmp_path)
    assert Results.model_validate_json((tmp_path / "results.json").read_text()) == results()


def test_the_schema_describes_the_file(tmp_path):
    write(results(), tmp_path)
    schema, written = (json.loads((tmp_path / name).read_text()) for name in ("results.schema.json", "results.json"))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    places = [(schema, written), (schema["$defs"]["NetworkResult"], written["networks"][0]),
              (schema["$defs"]["Picture"], written["networks"][0]["pictures"][0]),
              (schema["$defs"]["Raster"], written["networks"][0]["rasters"]["easy"]),
              (schema["$defs"]["SweepPoint"], written["networks"][1]["sweep"][0]),
              (schema["$defs"]["Agreement"], written["networks"][0]["agreement"]["class"])]
    for described, values in places:
        assert set(described["properties"]) == set(values)
        assert described["additionalProperties"] is False
    assert len(schema["$defs"]) == len(places) - 1


def test_writing_twice_gives_the_same_bytes_whatever_the_users_plot_settings(tmp_path):
    write(results(), tmp_path / "first")
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red", "svg.fonttype": "path"}):
        write(results(), tmp_path / "second")
    names = sorted(file.name for file in (tmp_path / "first").iterdir())
    assert names == ["index.html", "results.json", "results.schema.json"]
    for name in names:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes(), name


def test_write_returns_the_page(tmp_path):
    assert write(results(ttfs()), tmp_path / "new" / "folder") == tmp_path / "new" / "folder" / "index.html"


def test_the_page_says_what_was_compared(both):
    for fact in ("python -m cosim compare", "0123456789ab+", "default, 64 columns", "c0ffee" * 10 + "abcd",
                 "equal for every image", "entropy of its answer is below 1.188 bits"):
        assert fact in both.text


def test_the_page_shows_the_same_table(both):
    assert both.tables[0] == [["", "ttfs", "lif"], *ROWS]


def test_the_page_has_every_plot(both):
    assert list(both.plots) == [f"ttfs: {plot}" for plot in (CYCLES, CAUSES, EASY, HARD)] + [
        f"lif: {plot}" for plot in (SWEEP, EXITS, CYCLES, CAUSES, EASY, HARD)]


def test_the_sweep_marks_the_chosen_threshold(both):
    texts = both.texts(f"lif: {SWEEP}")
    assert {"chosen: 1.188", "exit threshold: entropy (bits)", "accuracy", "mean cycles"} <= set(texts)
    assert ("runs of 1, 2, 3 and 4 timesteps take 10 007, 20 008, 30 009 and 40 010 cycles, "
            "measured on the Verilog with 12 images") in both.text
    assert len(both.tables[3]) == 28
    assert both.tables[3][2] == ["0.125", "97.90 %", "3.90", "39 000"]


def test_the_histogram_counts_images_by_exit_timestep(both):
    assert both.texts(f"lif: {EXITS}")[-4:] == ["38", "7", "4", "1"]


def test_the_histogram_of_cycles_marks_the_median(both):
    assert "median: 10 024" in both.texts(f"ttfs: {CYCLES}")


def test_the_causes_add_up_to_all_cycles(both):
    texts = both.texts(f"ttfs: {CAUSES}")
    assert {"busy", "empty words", "waiting for fire", "rest"} <= set(texts)
    assert texts[-4:] == ["50.0 %", "12.5 %", "5.0 %", "32.5 %"]
    assert "opens 2 345 rows and fires 1 567 spikes in 2 570 neuron evaluations" in both.text


@pytest.mark.parametrize("label", [f"{name}: {plot}" for name in ("ttfs", "lif") for plot in (EASY, HARD)])
def test_a_raster_has_one_dash_per_spike_and_one_panel_per_layer(both, label):
    paths = [path for path, colour in re.findall(r'<path d="([^"]*)"[^>]*stroke: (#\w+)', both.svg[label])
             if colour == BLUE]
    dashes = [re.findall(r"M (\S+) (\S+) \nL (\S+) (\S+)", path) for path in paths]
    assert [len(panel) for panel in dashes] == [SPIKES] * len(LAYERS)
    assert all(float(left) < float(right) and start == end for panel in dashes for left, start, right, end in panel)
    assert {"conv1", "conv2", "1023", "127", "slot" if "ttfs" in label else "timestep"} <= set(both.texts(label))


def test_a_dash_lies_at_its_timestep_slot_and_neuron(tmp_path):
    spikes = ((1, 0, 0), (1, 2, 10), (2, 1, 10), (2, 2, 99))
    shown = page(tmp_path, lif(slots=3, rasters={"easy": Raster(
        index=0, label=0, class_index=0, timesteps=2, layers=("conv",), spikes=(spikes,), neurons=(100,))}))
    path, = re.findall(rf'<path d="([^"]*)"[^>]*stroke: {BLUE}', shown.svg[f"lif: {EASY}"])
    dashes = [tuple(map(float, dash)) for dash in re.findall(r"M (\S+) (\S+) \nL (\S+)", path)]
    slots = [(left - dashes[0][0]) / (dashes[0][2] - dashes[0][0]) * 0.8 for left, _, _ in dashes]
    assert slots == pytest.approx([0, 2, 4, 5], abs=0.01)
    heights = [(dashes[0][1] - height) / (dashes[0][1] - dashes[3][1]) * 99 for _, height, _ in dashes]
    assert heights == pytest.approx([0, 10, 10, 99], abs=0.01)
    assert "timestep, of 3 slots" in shown.texts(f"lif: {EASY}")


def test_the_captions_of_the_rasters_name_class_label_and_timesteps(both):
    assert "Easy: image 5. Class 6, label 3, 1 of 1 timestep, 80 spikes." in both.text
    assert "Hard: image 49. Class 6, label 3, 4 of 4 timesteps, 80 spikes." in both.text


def test_the_page_lists_wrong_answers(both):
    head = ["image", "label", "answer", "timesteps", "cycles"]
    assert both.tables[1] == [head, ["4", "3", "8", "1", "10 004"], ["7", "3", "1", "1", "10 007"],
                              ["31", "3", "5", "1", "10 031"]]
    assert both.tables[2] == [head, ["49", "3", "2", "4", "40 049"]]
    assert "3 of 50 images" in both.text


def test_a_network_without_wrong_answers_says_so(tmp_path):
    shown = page(tmp_path, ttfs(images=4))
    assert "Wrong answers None." in shown.text
    assert len(shown.tables) == 1


def test_a_network_of_one_timestep_says_why_it_has_no_sweep(tmp_path):
    shown = page(tmp_path, ttfs())
    assert ("One timestep of 24 slots. Every run ends after it, so there is no exit threshold to sweep."
            in shown.text)
    assert "sweep in numbers" not in shown.text


def test_a_network_with_a_fixed_budget_says_that_there_is_no_sweep(tmp_path):
    shown = page(tmp_path, lif(exit_rule="budget", sweep=()))
    assert ("At most 4 timesteps of 1 slot; it stops after its last timestep. There is no exit threshold to sweep."
            in shown.text)
    assert f"lif: {EXITS}" in shown.plots and f"lif: {SWEEP}" not in shown.plots


@pytest.mark.parametrize("rule, sentence, axis", [
    ("probability", "when its largest class probability is above 0.5", "exit threshold: probability"),
    ("margin", "when its two best classes are more than 0.5 bits apart", "exit threshold: margin (bits)"),
])
def test_the_page_names_the_exit_rule(tmp_path, rule, sentence, axis):
    shown = page(tmp_path, lif(exit_rule=rule, exit_threshold=0.5))
    assert sentence in shown.text and axis in shown.texts(f"lif: {SWEEP}")


def test_one_image_without_spikes_is_enough_for_a_page(tmp_path):
    silent = Raster(index=0, label=3, class_index=3, timesteps=1, layers=LAYERS, spikes=((), ()), neurons=NEURONS)
    shown = page(tmp_path, ttfs(images=1, rasters={"easy": silent, "hard": silent}))
    assert "1 timestep, 0 spikes" in shown.text
    assert len(shown.plots) == 4


def test_a_disagreement_heads_the_page(tmp_path):
    shown = page(tmp_path, ttfs(agreement=ttfs().agreement | {"class": Agreement(equal=49, of=50)}))
    assert "Model and Verilog disagree." in shown.text and "equal for every image" not in shown.text
    assert ["agreement in class", "49 of 50"] in shown.tables[0]


def test_the_page_needs_nothing_but_itself(both):
    assert not both.tags & {"script", "img", "iframe", "object"}
    outside = {address for address in both.addresses if not address.startswith("#")}
    assert outside == {"data:,", "results.json", "results.schema.json"}
    assert "@import" not in both.text and not re.findall(r"url\((?!#)", both.text + str(both.svg))


def test_names_are_not_taken_for_markup(tmp_path):
    shown = page(tmp_path, ttfs(network="<script>&"))
    assert shown.tables[0][0] == ["", "<script>&"] and "script" not in shown.tags
