"""Train the multi-harmonization GAN: ``python -m training.loops.mhgan --config training/configs/mhgan.yaml --run DIR``.

A run is a folder as in `training.loops.run`, and ``samples`` in it: slices of held-out heads in the style of each site.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from inference.mhgan.networks import LATENT, Discriminator, Generator, MappingNetwork, Sizes, StyleEncoder, begin
from training.examples.site_slices import Site, SiteSlices, folder_sites, simulated_sites
from training.loops import together
from training.loops.mhgan_config import Config
from training.loops.mhgan_samples import write_samples
from training.loops.run import Averaged, Batch, Numbers, Run, packed, read_config, read_options, set_rate, unpack
from training.objectives.mhgan import (
    distance,
    incoherence,
    overlap,
    slope_penalty,
    taken_for_real,
    told_apart,
)  # fmt: skip

_BETAS = (0.0, 0.99)


@dataclass(frozen=True, slots=True)
class _Task:
    """A batch on the device: stacks of the source, those beside them, sites, two guides to the target.

    Guides are latent codes, or references.
    """

    x: Tensor
    beside: Tensor
    own: Tensor
    target: Tensor
    guide: Tensor
    other: Tensor


class MhGan:
    """The networks in training, as in StarGAN v2, with the seed's temporal coherence.

    Parameters
    ----------
    config
        What is trained, and how.
    sites
        The domains; their order is that of the branches.
    device
        Where.
    samples
        Folder for sample images; None for none.
    """

    def __init__(self, config: Config, sites: Sequence[Site], device: str, samples: Path | None = None) -> None:
        torch.manual_seed(config.seed)
        self._config, self._sites, self._device, self._samples = config, sites, device, samples
        self._step, self._noise = 0, torch.Generator()
        self._of_weights = config.weights
        self._averaged = {name: self._twice(name, config.averaging) for name in ("generator", "mapping", "encoder")}
        self._judge = self._made("judge")
        self._nets = {name: pair.network for name, pair in self._averaged.items()}
        rates = {"mapping": config.mapping_rate}
        self._rates = {name: rates.get(name, config.learning_rate) for name in (*self._nets, "judge")}
        every: Mapping[str, nn.Module] = {**self._nets, "judge": self._judge}
        self._optimizers = {
            f"adam_{name}": torch.optim.Adam(net.parameters(), lr=self._rates[name], betas=_BETAS)
            for name, net in every.items()
        }

    def _made(self, name: str) -> nn.Module:
        sizes, domains = self._config.sizes, len(self._sites)
        kinds: Mapping[str, Callable[[], nn.Module]] = {
            "generator": lambda: Generator(sizes),
            "mapping": lambda: MappingNetwork(sizes, domains),
            "encoder": lambda: StyleEncoder(sizes, domains),
            "judge": lambda: Discriminator(sizes, domains, self._config.judge_coarse),
        }
        network = kinds[name]()
        begin(network)
        return network.to(self._device)

    def _twice(self, name: str, keep: float) -> Averaged:
        return Averaged(self._made(name), self._made(name), keep)

    def train(self, batch: Batch, step: int) -> Numbers:
        """Take one step: the discriminator, then the others; guided by latents and references in turn, or by both."""
        self._step = step + 1
        self._noise.manual_seed(self._config.seed * 1_000_003 + step)
        told = [self._turn(batch, step, guided) for guided in self._guides(step)]
        for pair in self._averaged.values():
            pair.follow(step)
        return {name: sum(each[name] for each in told) / len(told) for name in told[0]}

    def _guides(self, step: int) -> tuple[str, ...]:
        both = ("latent", "reference")
        return both if self._config.both_guides else (both[step % 2],)

    def _turn(self, batch: Batch, step: int, guided: str) -> dict[str, float]:
        task = self._task(batch, guided)
        with self._autocast():
            with torch.set_grad_enabled(guided == "latent"):
                code = self._code(task.guide, task.target, guided)
            made = self._nets["generator"](task.x, code)
        judged = self._judged(task, made.detach().float(), step)
        self._moved(judged, ("judge",))
        with self._autocast():
            loss, numbers = self._generated(task, code, made, step, guided)
        # guided by references, the seed's StarGAN v2 moves the generator alone: codes are learned from latents
        self._moved(loss, ("generator", "mapping", "encoder") if guided == "latent" else ("generator",))
        return {"judge": judged.item(), **numbers}

    def _task(self, batch: Batch, guided: str) -> _Task:
        held = {name: tensor.to(self._device) for name, tensor in batch.items()}
        other = {"latent": "other_latent", "reference": "other"}[guided]
        source = held["source"]
        x, beside = (part.contiguous(memory_format=torch.channels_last) for part in (source[:, :-1], source[:, 1:]))
        own, target = held["source_site"].long(), held["target_site"].long()
        return _Task(x, beside, own, target, held[guided], held[other])

    def _code(self, guide: Tensor, target: Tensor, guided: str, *, averaged: bool = False) -> Tensor:
        pair = self._averaged["mapping" if guided == "latent" else "encoder"]
        network = pair.mean if averaged else pair.network
        code: Tensor = network(guide, target)
        return code

    def _score(self, slices: Tensor, site: Tensor) -> Tensor:
        """Ask the discriminator about slices, with noise that hides from it what is fine enough to learn by heart."""
        noise = together.own_rows(lambda shape: torch.randn(shape, generator=self._noise), slices)
        scores: Tensor = self._judge(slices + self._config.judge_noise * noise.to(slices.device), site)
        return scores

    def _judged(self, task: _Task, made: Tensor, step: int) -> Tensor:
        """Return the loss of the discriminator."""
        with self._autocast():
            loss = told_apart(self._score(task.x, task.own), self._score(made, task.target))
        c = self._config
        if c.penalty and step % c.penalty_every == 0:
            real = task.x.detach().requires_grad_()
            with self._autocast():
                scores = self._score(real, task.own)
            loss = loss + c.penalty * c.penalty_every * slope_penalty(scores, real)
        return loss

    def _generated(
        self, task: _Task, code: Tensor, made: Tensor, step: int, guided: str
    ) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of generator, mapping network and style encoder, given what was made of a code."""
        w, generator, encoder = self._of_weights, self._nets["generator"], self._nets["encoder"]
        adversarial = taken_for_real(self._score(made, task.target))
        style = distance(encoder(made, task.target), code)
        cycle = distance(generator(made, encoder(task.x, task.own)), task.x)
        with torch.no_grad():
            beside = generator(task.beside, code)
        coherence = incoherence(task.x, made) + overlap(made, beside)
        loss = adversarial + w.cycle * cycle + w.style * style
        diversity = torch.zeros(())
        if weight := w.diversity_at(step):
            with torch.no_grad():
                second = generator(task.x, self._code(task.other, task.target, guided))
            diversity = distance(made, second)
            loss = loss - weight * diversity
        told = {"adversarial": adversarial, "cycle": cycle, "style": style, "diversity": diversity}
        numbers = {name: each.item() for name, each in told.items()}
        total = w.previous * loss + w.temporal * coherence
        return total, {**numbers, "temporal": coherence.item(), "change": distance(made, task.x).item()}

    def _moved(self, loss: Tensor, names: Sequence[str]) -> None:
        for optimizer in self._optimizers.values():  # a generator's loss leaves gradients on the discriminator, too
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for name in names:
            optimizer = self._optimizers[f"adam_{name}"]
            set_rate(optimizer, self._rates[name])
            together.mean_gradients(optimizer.param_groups[0]["params"])
            optimizer.step()

    def _autocast(self) -> torch.autocast:
        return torch.autocast(torch.device(self._device).type, torch.bfloat16)

    @torch.no_grad()
    def validate(self, batch: Batch) -> Numbers:
        """Judge the averaged networks on heads that are not trained on, guided by latents."""
        task = self._task(batch, "latent")
        self._noise.manual_seed(self._config.seed)
        generator, encoder = (self._averaged[name].mean for name in ("generator", "encoder"))
        with self._autocast():
            code = self._code(task.guide, task.target, "latent", averaged=True)
            made = generator(task.x, code)
            scores, real = self._score(made, task.target), self._score(task.x, task.own)
            back = generator(made, encoder(task.x, task.own))
            second = generator(task.x, self._code(task.other, task.target, "latent", averaged=True))
            coherence = incoherence(task.x, made) + overlap(made, generator(task.beside, code))
            style = distance(encoder(made, task.target), code)
        told = {
            "judge": told_apart(real, scores), "adversarial": taken_for_real(scores), "cycle": distance(back, task.x),
            "style": style, "diversity": distance(made, second), "temporal": coherence,
            "change": distance(made, task.x),
        }  # fmt: skip
        self._sample(task.x)
        return {name: each.item() for name, each in told.items()}

    def _sample(self, x: Tensor) -> None:
        """Keep an image of the first batch of a validation."""
        path = None if self._samples is None else self._samples / f"{self._step:06d}.png"
        if path is None or path.exists():
            return
        columns = [x]
        for number in range(len(self._sites)):
            target = torch.full((len(x),), number, device=x.device)
            latent = torch.zeros(len(x), LATENT, device=x.device)
            columns.append(self._averaged["generator"].mean(x, self._averaged["mapping"].mean(latent, target)))
        write_samples([each.float().cpu().numpy()[:, x.shape[1] // 2] for each in columns], path)

    def _networks(self) -> dict[str, nn.Module]:
        means = {f"averaged_{name}": pair.mean for name, pair in self._averaged.items()}
        return {**means, **self._nets, "judge": self._judge}

    def state(self) -> dict[str, Tensor]:
        """Return networks and optimizers."""
        return packed(self._networks(), self._optimizers)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        unpack(state, self._networks(), self._optimizers)

    def weights(self) -> dict[str, Tensor]:
        """Return the averaged networks, their sizes, and the number and the black of each site."""
        means = {name: pair.mean.state_dict() for name, pair in self._averaged.items()}
        tensors = {f"{name}.{key}": tensor for name, held in means.items() for key, tensor in held.items()}
        sizes = self._config.sizes
        tensors["sizes"] = torch.tensor([getattr(sizes, name) for name in Sizes.__slots__])
        for number, site in enumerate(self._sites):
            tensors[f"site.{site.name}"] = torch.tensor([float(number), site.floor])
        return tensors


def train(
    config: Config, folder: Path, sites: Sequence[Site], *, resume: bool = False, fraction: float = 1.0,
    workers: int = 0, device: str = "cpu",
) -> None:  # fmt: skip
    """Do a run, or the first part of one; parameters as on the command line."""
    samples = folder / "samples"
    samples.mkdir(parents=True, exist_ok=True)
    run = Run(MhGan(config, sites, device, samples), folder, config.schedule)
    if resume:
        run.resume()
    drawn = [
        SiteSlices(
            sites,
            batch=config.batch,
            seed=config.seed,
            side=config.side,
            validation=validation,
            warped=bool(config.warped) and not validation,
        )
        for validation in (False, True)
    ]
    run.go(drawn[0], drawn[1], fraction=fraction, workers=workers)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train as the command line says."""
    own = argparse.ArgumentParser(prog="python -m training.loops.mhgan", add_help=False)
    own.add_argument("--sites", type=Path, help="a folder of scans a site, to train on beside the simulated ones")
    told, others = own.parse_known_args(arguments)
    options = read_options("training.loops.mhgan", others, cache=Path("build/site-scans"), own=own)
    config = read_config(Config, options.config, seed=options.seed)
    with together.joined(options.device) as device:
        try:
            with together.first_before_others():
                sites = sites_of(config, options.data, options.cache, told.sites)
        except (ValueError, FileNotFoundError) as refusal:  # of what people put into the folders
            own.error(str(refusal))
        train(
            config, options.run, sites,
            resume=options.resume, fraction=options.fraction, workers=options.workers, device=device,
        )  # fmt: skip


def sites_of(config: Config, data: Path | None, cache: Path, real: Path | None) -> list[Site]:
    """Return the domains: the simulated sites, unless the configuration has no heads for them, then the real ones.

    Parameters
    ----------
    config
        How many heads.
    data
        Folder of real data, for its label maps.
    cache
        For prepared scans.
    real
        A folder of scans a site.
    """
    simulated = (
        simulated_sites(data, cache, procedural=config.procedural_heads, deformations=config.deformations)
        if config.procedural_heads
        else []
    )
    return simulated + ([] if real is None else folder_sites(real, cache))


if __name__ == "__main__":
    main()
