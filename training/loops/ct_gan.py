"""Train synthetic CT adversarially: ``python -m training.loops.ct_gan --config CONFIG --run DIR``.

``method`` in the configuration chooses: ``pix2pix`` learns from pairs of MR and CT, ``cyclegan`` from MR and CT of
different people. A run is a folder as in `training.loops.run`, with the same options as `training.loops.ct_unet`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from inference.ct.network import HU_PER_UNIT
from inference.ct.slices import GENERATORS, ct_unit, described, hounsfield_of, mr_unit
from training.examples.ct_heads import CtSources, gathered
from training.examples.ct_pairs import CtPairs
from training.loops.run import (
    Averaged,
    Batch,
    Numbers,
    Run,
    Schedule,
    level_then_line,
    packed,
    read_config,
    read_options,
    set_rate,
    unpack,
)  # fmt: skip
from training.loops.together import first_before_others, joined, mean_gradients
from training.objectives.ct import ct_loss
from training.objectives.ct_adversarial import (
    GAMES,
    PatchDiscriminator,
    feature_matching,
    gradient_consistency,
    gradient_penalty,
)  # fmt: skip

_BETAS = (0.5, 0.999)


@dataclass(frozen=True, slots=True)
class Config:
    """All that a run is made from; the files in ``training/configs`` explain each key."""

    method: str
    seed: int
    steps: int
    patch: tuple[int, int, int]
    group: int
    learning_rate: float
    averaging: float
    generator: str
    width: int
    depth: int
    critic_width: int
    critic_layers: int
    window: tuple[float, float]
    game: str
    real_label: float
    penalty: float
    absolute: float
    features: float
    cycle: float
    identity: float
    gradients: float
    procedural_heads: int
    deformations: int
    log_every: int
    save_every: int
    validate_every: int
    validation_batches: int

    @property
    def seen(self) -> int:
        """How many neighbouring slices the generator sees."""
        return self.patch[2]

    @property
    def schedule(self) -> Schedule:
        """When what is done."""
        return Schedule(self.steps, self.log_every, self.save_every, self.validate_every, self.validation_batches)


class _Adversary:
    """What both methods share: networks, two optimizers, the mean of the generator that is kept."""

    def __init__(self, config: Config, device: str) -> None:
        torch.manual_seed(config.seed)
        self._config, self._device, self._game = config, device, GAMES[config.game]
        to_ct = [self._generator(config.seen, 1) for _ in range(2)]
        self._to_ct = Averaged(to_ct[0], to_ct[1], config.averaging)
        self._generators = {"to_ct": to_ct[0], **self._more_generators()}
        self._critics = self._make_critics()
        made, judges = (
            [p for net in nets.values() for p in net.parameters()] for nets in (self._generators, self._critics)
        )
        self._optimizers = {
            "of_generators": torch.optim.Adam(made, lr=config.learning_rate, betas=_BETAS),
            "of_critics": torch.optim.Adam(judges, lr=config.learning_rate, betas=_BETAS),
        }

    def _generator(self, seen: int, given: int) -> nn.Module:
        return GENERATORS[self._config.generator](self._config.width, seen, given, self._config.depth).to(self._device)

    def _critic(self, channels: int) -> PatchDiscriminator:
        return PatchDiscriminator(channels, self._config.critic_width, self._config.critic_layers).to(self._device)

    def _more_generators(self) -> dict[str, nn.Module]:
        return {}

    def _make_critics(self) -> dict[str, nn.Module]:
        raise NotImplementedError

    def train(self, batch: Batch, step: int) -> Numbers:
        """Take one step: the generators, then the critics."""
        for optimizer in self._optimizers.values():
            set_rate(optimizer, self._config.learning_rate * level_then_line(step, self._config.steps))
        mr, ct = self._slices(batch)
        with self._autocast():
            loss, made = self._generators_loss(mr, ct)
        self._moved("of_generators", loss)
        with self._autocast():
            critics_loss = self._critics_loss(mr, ct, made, step)
        self._moved("of_critics", critics_loss)
        self._to_ct.follow(step)
        return {"loss": loss.item(), "critics": critics_loss.item(), "mae_hu": math.nan, "bone_dice": math.nan}

    def _generators_loss(self, mr: Tensor, ct: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        raise NotImplementedError

    def _critics_loss(self, mr: Tensor, ct: Tensor, made: Mapping[str, Tensor], step: int) -> Tensor:
        raise NotImplementedError

    def _played(self, critic: nn.Module, real: Tensor, made: Tensor, step: int) -> Tensor:
        """Return the loss of a critic."""
        c = self._config
        loss = self._game.tell_apart(critic(real)[-1].float(), critic(made.detach())[-1].float(), c.real_label)
        if c.penalty:
            rng = torch.Generator().manual_seed(1000 * step + c.seed)  # the same when a run goes on
            share = torch.rand((len(real), 1, 1, 1), generator=rng).to(self._device)
            with torch.autocast(torch.device(self._device).type, enabled=False):
                loss = loss + c.penalty * gradient_penalty(critic, real.float(), made.float(), share)
        return loss

    def _moved(self, name: str, loss: Tensor) -> None:
        for optimizer in self._optimizers.values():  # a generator's loss leaves gradients on critics, too
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        mean_gradients(self._optimizers[name].param_groups[0]["params"])
        self._optimizers[name].step()

    def _autocast(self) -> torch.autocast:
        return torch.autocast(torch.device(self._device).type, torch.bfloat16)

    def _slices(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return sagittal MR slices with their neighbours as channels, and the CT of the middle ones: -1 to 1."""
        mr = mr_unit(batch["mr"][:, 0].permute(0, 3, 1, 2).to(self._device))
        ct = ct_unit(batch["ct"][..., self._config.seen // 2].to(self._device), self._config.window)
        return mr.contiguous(), ct.contiguous()

    def validate(self, batch: Batch) -> Numbers:
        """Judge the mean of the generator against pairs, whatever it learned from."""
        mr, _ = self._slices(batch)
        middle = self._config.seen // 2
        ct, *masks = (batch[name][..., middle].to(self._device) for name in ("ct", "weight", "inside"))
        with torch.no_grad(), self._autocast():
            made = self._to_ct.mean(mr)
        hounsfield = hounsfield_of(made.float(), self._config.window)
        result = ct_loss(hounsfield / HU_PER_UNIT, ct, (masks[0], masks[1]), gradients=0.0)
        return {"loss": math.nan, "critics": math.nan, "mae_hu": result.mae_hu, "bone_dice": result.bone_dice}

    def _networks(self) -> dict[str, nn.Module]:
        return {"averaged": self._to_ct.mean, **self._generators, **self._critics}

    def state(self) -> dict[str, Tensor]:
        """Return networks and optimizers."""
        return packed(self._networks(), self._optimizers)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        unpack(state, self._networks(), self._optimizers)

    def weights(self) -> dict[str, Tensor]:
        """Return the mean of the generator, as `inference.ct.slices.read_generator` reads it."""
        c = self._config
        parameters = {f"generator.{name}": tensor for name, tensor in self._to_ct.mean.state_dict().items()}
        return {**parameters, **described(c.generator, (c.width, c.seen, c.depth), c.window)}


class PairedAdversary(_Adversary):
    """A conditional GAN beside an absolute error (Isola et al. 2017), with feature matching if it has a weight."""

    def _make_critics(self) -> dict[str, nn.Module]:
        return {"critic": self._critic(self._config.seen + 1)}

    def _generators_loss(self, mr: Tensor, ct: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        c, critic = self._config, self._critics["critic"]
        made = self._to_ct.network(mr)
        judged = critic(torch.cat([mr, made], dim=1))
        loss = self._game.deceive(judged[-1].float()) + c.absolute * (made.float() - ct).abs().mean()
        if c.features:
            loss = loss + c.features * feature_matching(critic(torch.cat([mr, ct], dim=1)), judged)
        return loss, {"ct": made}

    def _critics_loss(self, mr: Tensor, ct: Tensor, made: Mapping[str, Tensor], step: int) -> Tensor:
        real, false = (torch.cat([mr, each], dim=1) for each in (ct, made["ct"].detach().float()))
        return self._played(self._critics["critic"], real, false, step)


class UnpairedAdversary(_Adversary):
    """A CycleGAN (Zhu et al. 2017): to CT and back, to MR and back, each judged by a critic.

    Without the buffer of earlier images that the paper's critics see: a run that goes on would have to keep it.
    """

    def _more_generators(self) -> dict[str, nn.Module]:
        return {"to_mr": self._generator(1, self._config.seen)}

    def _make_critics(self) -> dict[str, nn.Module]:
        return {"critic_of_ct": self._critic(1), "critic_of_mr": self._critic(self._config.seen)}

    def _generators_loss(self, mr: Tensor, ct: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        c, to_ct, to_mr = self._config, self._generators["to_ct"], self._generators["to_mr"]
        made_ct, made_mr = to_ct(mr), to_mr(ct)
        played = [
            self._game.deceive(self._critics[name](made)[-1].float())
            for name, made in (("critic_of_ct", made_ct), ("critic_of_mr", made_mr))
        ]
        back = (to_mr(made_ct).float() - mr).abs().mean() + (to_ct(made_mr).float() - ct).abs().mean()
        loss = played[0] + played[1] + c.cycle * back
        middle = slice(c.seen // 2, c.seen // 2 + 1)
        if c.identity:  # shown what it should make, a generator leaves it
            same = (to_ct(ct.expand(-1, c.seen, -1, -1)).float() - ct).abs().mean()
            same = same + (to_mr(mr[:, middle]).float()[:, middle] - mr[:, middle]).abs().mean()
            loss = loss + c.cycle * c.identity * same
        if c.gradients:
            edges = gradient_consistency(mr[:, middle], made_ct) + gradient_consistency(made_mr[:, middle], ct)
            loss = loss + c.gradients * edges / 2
        return loss, {"ct": made_ct, "mr": made_mr}

    def _critics_loss(self, mr: Tensor, ct: Tensor, made: Mapping[str, Tensor], step: int) -> Tensor:
        of_ct = self._played(self._critics["critic_of_ct"], ct, made["ct"].float(), step)
        return of_ct + self._played(self._critics["critic_of_mr"], mr, made["mr"].float(), step)


METHODS: Mapping[str, Callable[[Config, str], PairedAdversary | UnpairedAdversary]] = {
    "pix2pix": PairedAdversary, "cyclegan": UnpairedAdversary,
}  # fmt: skip
"""Method -> what is trained."""


def train(
    config: Config, folder: Path, sources: CtSources, *, resume: bool = False, fraction: float = 1.0, workers: int = 0,
    device: str = "cpu",
) -> None:  # fmt: skip
    """Do a run, or the first part of one; parameters as on the command line, `sources` are the heads."""
    run = Run(METHODS[config.method](config, device), folder, config.schedule)
    if resume:
        run.resume()
    of_mr, of_ct = sources.disjoint() if config.method == "cyclegan" else (sources.train, None)
    examples = CtPairs(of_mr, config.patch, group=config.group, seed=config.seed, ct_heads=of_ct)
    held_out = CtPairs(sources.validation, config.patch, group=config.group, seed=0)
    run.go(examples, held_out, fraction=fraction, workers=workers)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train as the command line says."""
    options = read_options("training.loops.ct_gan", arguments)
    config = read_config(Config, options.config, seed=options.seed)
    with joined(options.device) as device:
        with first_before_others():
            sources = gathered(
                options.data, options.cache, procedural=config.procedural_heads, deformations=config.deformations
            )
        train(
            config, options.run, sources,
            resume=options.resume, fraction=options.fraction, workers=options.workers, device=device,
        )  # fmt: skip


if __name__ == "__main__":
    main()
