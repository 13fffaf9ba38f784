"""Masks in files of pruning libraries: real ones where they install, else faithful builders."""

import numpy as np
import pytest

import maskstat
from maskstat.convert.probe import Probe
from maskstat.convert.registry import ReadOptions, detect, find_format
from maskstat.errors import InputError

torch = pytest.importorskip("torch")
prune = pytest.importorskip("torch.nn.utils.prune")


def net():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 3),
        torch.nn.BatchNorm2d(3),
        torch.nn.Flatten(),
        torch.nn.Linear(12, 5),
    )


def masks_of(model):
    """Random masks for a model's layers, as torch tensors."""
    generator = torch.Generator().manual_seed(1)
    return {
        name: (torch.rand(tensor.shape, generator=generator) < 0.6).float()
        for name, tensor in model.state_dict().items()
        if tensor.dim() > 1
    }


@pytest.fixture
def saved(tmp_path):
    def save(content, name="x.pt"):
        torch.save(content, tmp_path / name)
        return tmp_path / name

    return save


def found_in(path, name, **options):
    """What the format that is detected finds, after making sure that it is that one."""
    probe = Probe(path)
    assert detect(probe).name == name
    return find_format(name).read(probe, ReadOptions(**options))


def expect(path, name, masks, *, model=None):
    """Read a file as a run and hold it against the masks, and a model's weights, that went in."""
    found = found_in(path, name)
    run = maskstat.read(path)
    assert set(run.layout.names) == set(masks)
    for layer, want in masks.items():
        np.testing.assert_array_equal(run.mask().layer(layer), np.asarray(want) != 0)
    assert ("final" in run.weights) == (model is not None)
    if model is not None:
        state = model.state_dict()
        flat = run.weight("final")
        for layer in run.layout.layers:
            got = flat[layer.weight_offset :][: layer.size].reshape(layer.shape)
            want = np.where(np.asarray(masks[layer.name]) != 0, state[layer.name].numpy(), 0)
            np.testing.assert_array_equal(got, want)
    return found


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("half", [False, True])
def test_torch_nn_utils_prune(saved, wrapped, half):
    model = net().to(torch.bfloat16 if half else torch.float32)
    dense = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    prune.l1_unstructured(model[0], "weight", 0.4)
    prune.ln_structured(model[3], "weight", 2, n=2, dim=0)
    masks = {"0.weight": model[0].weight_mask.float(), "3.weight": model[3].weight_mask.float()}
    state = {f"module.{k}": v for k, v in model.state_dict().items()} if wrapped else None
    content = {"state_dict": state, "optimizer": {"state": {0: torch.ones(2)}}, "epoch": 3}
    path = saved(content if wrapped else model.state_dict())
    plain = net()
    plain.load_state_dict({name: tensor.float() for name, tensor in dense.items()})
    found = expect(path, "torch-prune", masks, model=plain)
    assert found.unmatched == (("optimizer",) if wrapped else ())
    run = maskstat.read(path)
    assert {other.name for other in run.layout.others} == set(dense) - set(masks)
    assert run.others["final"].shape == (run.layout.n_others,)


def test_pruned_weights_that_an_optimizer_moved_are_zero(saved):
    model = torch.nn.Linear(4, 4)
    prune.random_unstructured(model, "weight", 0.5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.ones(1, 4)).sum().backward()
        optimizer.step()
    run = maskstat.read(saved(model.state_dict()))
    pruned = ~run.mask().layer("weight").reshape(-1)
    assert pruned.sum() == 8
    assert (run.weight("final")[pruned] == 0).all()
    assert (model.weight_orig.detach().numpy().reshape(-1)[pruned] != 0).all()


def test_a_custom_mask_of_other_values_is_an_error(saved):
    model = torch.nn.Linear(4, 1)
    prune.custom_from_mask(model, "weight", torch.tensor([[0.0, 0.5, 1.0, 2.0]]))
    with pytest.raises(InputError, match="other values") as caught:
        maskstat.read(saved(model.state_dict()))
    assert caught.value.code == "not-binary"


def test_patterns_choose_masks(saved):
    model = net()
    for layer in (model[0], model[3]):
        prune.l1_unstructured(layer, "weight", 0.5)
    path = saved(model.state_dict())
    assert maskstat.read(path, include=["3.*"]).layout.names == ("3.weight",)
    with pytest.raises(InputError) as caught:
        maskstat.read(path, exclude=["*"])
    assert caught.value.code == "no-masks"


def test_torch_ao_sparsifier(saved):
    from torch.ao.pruning import WeightNormSparsifier

    model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 4))
    sparsifier = WeightNormSparsifier(0.5, (1, 4), 2)
    sparsifier.prepare(model, [{"tensor_fqn": "0.weight"}, {"tensor_fqn": "2.weight"}])
    sparsifier.step()
    state = sparsifier.state_dict()["state"]
    masks = {name: entry["mask"] for name, entry in state.items()}
    assert 0 < sum(int(mask.sum()) for mask in masks.values()) < 96
    expect(saved(sparsifier.state_dict()), "torch-ao", masks)


@pytest.mark.parametrize("wrapper", ["model_state_dict", None])
def test_shrinkbench_and_synflow(saved, wrapper):
    model = net()
    masks = masks_of(model) | {"3.bias": torch.ones(5), "1.weight": torch.tensor([1.0, 0.0, 1.0])}
    state = model.state_dict() | {f"{name}_mask": mask for name, mask in masks.items()}
    path = saved({wrapper: state, "epoch": 1} if wrapper else state)
    found = expect(path, "shrinkbench", masks, model=model)
    assert "2 of the masks are of biases" in found.notes[0]


def test_nni_masks_by_module(saved):
    masks = masks_of(net())
    content = {
        name.removesuffix(".weight"): {"weight": mask, "bias": None, "_output_": torch.ones(3)}
        for name, mask in masks.items()
    }
    found = expect(saved(content), "nni", masks)
    assert found.unmatched == ("0._output_", "3._output_")


@pytest.mark.parametrize("pattern", ["{}.module.{}", "{}._nni_wrapper.{}"])
def test_nni_wrapped_models(saved, pattern):
    model = net()
    masks = masks_of(model)
    mask_of = pattern.replace(".module", "") + "_mask"
    state = {}
    for name, tensor in model.state_dict().items():
        module, _, leaf = name.rpartition(".")
        wrapped = module in ("0", "3")
        state[pattern.format(module, leaf) if wrapped else name] = tensor
        if name in masks:
            state[mask_of.format(module, leaf)] = masks[name]
    expect(saved(state), "nni", masks, model=model)


def test_apex_asp(saved):
    model = net()
    masks = masks_of(model)
    state = dict(model.state_dict())
    for name, mask in masks.items():
        module = name.removesuffix(".weight")
        state[f"{module}.__weight_mma_mask"] = mask.bool()
        state[f"{module}.__weight_mma_pruned_p"] = torch.zeros_like(mask)
    found = expect(saved(state), "apex-asp", masks, model=model)
    assert found.unmatched == ("0.__weight_mma_pruned_p", "3.__weight_mma_pruned_p")


def test_fasterai_with_a_mask_by_filter(saved):
    model = net()
    masks = masks_of(model)
    masks["0.weight"] = torch.tensor([1.0, 0.0, 1.0]).reshape(3, 1, 1, 1).expand(3, 2, 3, 3)
    state = dict(model.state_dict())
    for name, mask in masks.items():
        module = name.removesuffix(".weight")
        state[f"{module}._mask"] = mask[:, :1, :1, :1].clone() if mask.dim() > 2 else mask
        state[f"{module}._init_weights"] = state[name] + 1
    expect(saved(state), "fasterai", masks, model=model)
    run = maskstat.read(saved(state))
    first = model.state_dict()["0.weight"].numpy().reshape(-1)
    np.testing.assert_array_equal(run.weight("initial")[: first.size], first + np.float32(1))


def test_sparseml_manager(saved):
    masks = masks_of(net())
    manager = {f"{name}.sparsity_mask": mask for name, mask in masks.items()}
    found = expect(
        saved({"manager": {"pruning": manager}, "ema": torch.ones(2)}), "sparseml", masks
    )
    assert found.unmatched == ("ema",)


def test_distiller(saved):
    model = net()
    masks = masks_of(model)
    scheduler = {"masks_dict": {**masks, "0.bias": None}, "zeros_mask_dict": {}}
    content = {"state_dict": model.state_dict(), "compression_sched": scheduler, "epoch": 4}
    found = expect(saved(content), "distiller", masks, model=model)
    assert found.unmatched == ()


def test_a_plain_dict_of_masks_and_a_dense_model(saved):
    masks = masks_of(net())
    found_in(saved(masks), "generic")
    dense = saved(net().state_dict(), "dense.pt")
    with pytest.raises(InputError) as caught:
        maskstat.read(dense)
    assert caught.value.code == "no-masks"
    assert "--from zeros" in caught.value.hint


def test_zeros_that_prune_remove_leaves(saved):
    model = net()
    for layer, amount in ((model[0], 0.4), (model[3], 0.6)):
        prune.l1_unstructured(layer, "weight", amount)
        prune.remove(layer, "weight")
    run = maskstat.read(saved({"state_dict": model.half().state_dict()}), format="zeros")
    assert run.mask().kept.tolist() == [54 - 22, 60 - 36]


@pytest.mark.parametrize(
    "name",
    [
        *("torch-prune", "torch-ao", "shrinkbench", "nni", "apex-asp", "fasterai"),
        *("sparseml", "distiller", "open-lth"),
    ],
)
def test_a_format_asked_for_that_the_file_is_not(saved, name):
    with pytest.raises(InputError) as caught:
        maskstat.read(saved({"a": torch.randn(3, 3)}), format=name)
    assert caught.value.code in ("no-masks", "not-binary")
