"""Plans: the shipped recipes are recipes, at every scale, and say what the papers print."""

import pytest

from maskstat.errors import UsageError
from maskstat.reproduce import PAPERS, SCALES, read_plan
from maskstat.reproduce.exhibits import claims_of, exhibits_of


@pytest.fixture(params=PAPERS)
def paper(request):
    return request.param


@pytest.mark.parametrize("scale", SCALES)
def test_every_scale_has_sweeps_for_every_exhibit_and_claim(paper, scale):
    plan = read_plan(paper, scale=scale, data_dir="/nowhere")
    roles = {sweep.role for sweep in plan.sweeps}
    roles |= {"tickets", "retrained"} if plan.tickets else set()
    for wanted in (*exhibits_of(paper), *claims_of(paper)):
        assert roles.issuperset(wanted.roles), wanted.key


@pytest.mark.parametrize("scale", SCALES)
def test_every_run_has_a_name_and_a_place_of_its_own(paper, scale, tmp_path):
    jobs = read_plan(paper, scale=scale, data_dir=tmp_path).jobs(tmp_path)
    assert len({job.name for job in jobs}) == len({job.path for job in jobs}) == len(jobs)


@pytest.mark.parametrize("scale", SCALES)
def test_iterations_that_exhibits_are_about_are_there(paper, scale):
    plan = read_plan(paper, scale=scale, data_dir="/nowhere")
    for case in plan.cases.values():
        runs = [sweep.grid.base.iterations for sweep in plan.sweeps if sweep.case == case.name]
        for iterations in case.at.values():
            assert 1 <= min(iterations) <= max(iterations) <= max(runs)


def test_grosse_at_full_scale_is_as_printed():
    plan = read_plan("grosse2020", scale="full")
    unfixed = {s.case: s.grid for s in plan.sweeps if s.role == "unfixed"}
    assert {name: len(grid.recipes) for name, grid in unfixed.items()} == {
        "fashion-mnist": 25,
        "cifar10": 25,
        "resnet18": 25,
    }
    assert unfixed["resnet18"].base.levels == (0.5, 0.6, 0.9, 0.98, 0.99, 0.999)
    for name in ("fashion-mnist", "cifar10"):
        base = unfixed[name].base
        assert base.levels == (0.5, 0.6, 0.8, 0.9, 0.95, 0.98)
        assert (base.model, base.epochs, base.vary) == ("lenet5x5", 15, ("order",))


def test_paganini_at_full_scale_is_as_printed():
    plan = read_plan("paganini2020", scale="full")
    recipes = [recipe for sweep in plan.sweeps for recipe in sweep.grid.recipes.values()]
    assert {r.model for r in recipes} == {"lenet", "alexnet", "vgg11", "resnet18"}
    assert {(r.epochs, r.lr, r.batch_size, r.fraction) for r in recipes} == {(30, 0.01, 32, 0.2)}
    assert {r.seed for r in recipes} == set(range(6))
    assert len({r.method for r in recipes}) == 7
    assert all(r.dim == (0 if "unstructured" in r.method else 1) for r in recipes)
    resnets = [r for r in recipes if r.model == "resnet18"]
    assert all(r.exclude == ("*downsample*",) for r in resnets)


def test_sweeps_without_their_data_are_left_out_and_told(tmp_path):
    plan = read_plan("grosse2020", scale="small", data_dir=tmp_path)
    assert plan.left_out == {
        f"{role}-{data}": (data,)
        for data in ("mnist", "fashion-mnist")
        for role in ("unfixed", "partial")
    }
    assert not {"mnist", "fashion-mnist"} & set(plan.cases)


def test_only_keeps_what_some_roles_need():
    plan = read_plan("paganini2020", scale="test")
    assert {s.role for s in plan.only(["sources"]).sweeps} == {"sources"}
    assert plan.only(["sources"]).tickets == ()
    assert plan.only(["sources", "tickets"]).tickets == plan.tickets


@pytest.mark.parametrize(
    ("given", "fact"),
    [(("gross2020", "small"), "grosse2020"), (("grosse2020", "tiny"), "there is no scale")],
)
def test_unknown_names_are_refused(given, fact):
    with pytest.raises(UsageError, match=fact):
        read_plan(given[0], scale=given[1])
