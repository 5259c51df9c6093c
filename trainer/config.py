"""The settings of the train stage; loads without torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError


class Settings(BaseModel):
    """Base of the trainer's settings: frozen, no unknown field, no infinity; field docstrings kept as descriptions."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class RegGrpoConfig(Settings):
    """Reg-GRPO (arXiv:2506.07464, Eq. 8)."""

    type: Literal["reg_grpo"] = "reg_grpo"
    """Which loss."""
    std_floor: Annotated[float, Field(gt=0.0)] = 0.01
    """Floor s of std(rho), nats; above the std that rounding alone gives. Ours: the paper gives none."""
    normaliser: Literal["exact", "smooth", "detached", "fixed"] = "exact"
    """What centred rho is divided by: `exact`, max(std, s); `smooth`, sqrt(var + s^2); `detached`, as exact, without a
    gradient of its own; `fixed`, s. Only exact is Eq. 8, and it gives groups of two no gradient above the floor."""
    reduction: Literal["sum", "mean"] = "sum"
    """Whether rho is the sum over a response's tokens (paper) or their mean; with `mean` the floor is nats a token."""
    group_std: Literal["population", "sample"] = "population"
    """Divisor of both variances, of the rewards and of rho: G, or G - 1."""
    advantage_eps: Annotated[float, Field(ge=0.0)] = 0.0
    """Added to the std of the rewards."""


class GrpoConfig(Settings):
    """GRPO (Eq. 2)."""

    type: Literal["grpo"] = "grpo"
    """Which loss."""
    clip_low: Annotated[float, Field(gt=0.0, lt=1.0)] | None = 0.2
    """The ratio's lower bound is 1 - clip_low; TOML cannot say none, so `clip = false` turns both off."""
    clip_high: Annotated[float, Field(gt=0.0)] | None = 0.2
    """The ratio's upper bound is 1 + clip_high."""
    clip: bool = True
    """Whether the ratio is clipped; the paper's own GRPO baseline does not (Appendix C.1)."""
    group_std: Literal["population", "sample"] = "population"
    """Divisor of the rewards' variance: G, or G - 1 (TRL and the paper's base code, with `advantage_eps = 1e-4`)."""
    advantage_eps: Annotated[float, Field(ge=0.0)] = 0.0
    """Added to the std of the rewards."""


class DrGrpoConfig(Settings):
    """Dr. GRPO (arXiv:2503.20783): rewards less the group's mean, token sums over one constant."""

    type: Literal["dr_grpo"] = "dr_grpo"
    """Which loss."""
    max_tokens: Annotated[int, Field(ge=1)] = 256
    """What every response's token sum is divided by; `rollout.max_new_tokens` is meant."""
    clip_low: Annotated[float, Field(gt=0.0, lt=1.0)] | None = 0.2
    """The ratio's lower bound is 1 - clip_low; TOML cannot say none, so `clip = false` turns both off."""
    clip_high: Annotated[float, Field(gt=0.0)] | None = 0.2
    """The ratio's upper bound is 1 + clip_high."""
    clip: bool = True
    """Whether the ratio is clipped."""


class ReinforceConfig(Settings):
    """REINFORCE: (R - baseline) times the gradient of the response's log-prob."""

    type: Literal["reinforce"] = "reinforce"
    """Which loss."""
    baseline: float = 0.0
    """A constant taken from every reward; 0 is plain REINFORCE, in which every response with a reward is pushed up."""


class RlooConfig(Settings):
    """RLOO (arXiv:2402.14740): REINFORCE whose baseline is the mean of the group's other rewards."""

    type: Literal["rloo"] = "rloo"
    """Which loss."""


class RebelConfig(Settings):
    """REBEL (arXiv:2404.16767): regresses differences of rho on differences of rewards."""

    type: Literal["rebel"] = "rebel"
    """Which loss."""
    eta: Annotated[float, Field(gt=0.0)] = 1.0
    """Nats of rho a unit of reward: how far one round may move. Ours: the paper gives none."""


class RewardRegressionConfig(Settings):
    """Reward-Regression (Eq. 6): regresses the reward on lambda (rho + log Z)."""

    type: Literal["reward_regression"] = "reward_regression"
    """Which loss."""
    kl_strength: Annotated[float, Field(gt=0.0)] = 1.0
    """lambda: reward that one nat of KL to the old policy costs. Ours: the paper gives none."""


class DpoConfig(Settings):
    """DPO (arXiv:2305.18290) on the best and the worst of a group that the reference sampled."""

    type: Literal["dpo"] = "dpo"
    """Which loss; needs `rollout.policy = "reference"`."""
    beta: Annotated[float, Field(gt=0.0)] = 0.1
    """Weight of the log-ratios to the reference: small lets the policy move far."""


class OnlineDpoConfig(Settings):
    """Online DPO (arXiv:2402.04792): DPO on the best and the worst of a group that the current policy sampled."""

    type: Literal["online_dpo"] = "online_dpo"
    """Which loss."""
    beta: Annotated[float, Field(gt=0.0)] = 0.1
    """Weight of the log-ratios to the reference: small lets the policy move far."""


class SftConfig(Settings):
    """Supervised fine-tuning on the best response of each group (RAFT, arXiv:2304.06767)."""

    type: Literal["sft"] = "sft"
    """Which loss."""


Loss = (
    RegGrpoConfig
    | GrpoConfig
    | DrGrpoConfig
    | ReinforceConfig
    | RlooConfig
    | RebelConfig
    | RewardRegressionConfig
    | DpoConfig
    | OnlineDpoConfig
    | SftConfig
)
IMPORTANCE_LEVELS: dict[str, tuple[str, ...]] = {
    "reg_grpo": ("sequence",),
    "grpo": ("token", "sequence"),
    "dr_grpo": ("token", "sequence"),
    "reinforce": ("token", "sequence"),
    "rloo": ("token", "sequence"),
    "reward_regression": ("sequence",),
}
"""Levels of truncated importance sampling by loss: those of pairs, and imitation, have none; regressions no tokens."""
LOSSES: tuple[str, ...] = tuple(kind.model_fields["type"].default for kind in Loss.__args__)
"""The names of the losses."""


def _names_of_layers(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """One error where the union would give one for each of its types."""
    try:
        return handler(value)
    except ValidationError as error:
        raise PydanticCustomError("layers", 'should be a list of layer names, or "all-linear"') from error


class LoraConfig(Settings):
    """LoRA (arXiv:2106.09685): low-rank adapters of the language model are trained; without this section, all of it.

    There is no dropout: policy, old policy and reference are compared as functions, so the trainer runs without any.
    """

    rank: Annotated[int, Field(ge=1)] = 16
    """Rank r of an adapter's two matrices. Ours, like alpha: the paper gives none."""
    alpha: Annotated[int, Field(ge=1)] = 32
    """An adapter's output is multiplied by alpha / rank."""
    target_modules: Annotated[
        Literal["all-linear"] | Annotated[tuple[str, ...], Field(min_length=1)], WrapValidator(_names_of_layers)
    ] = "all-linear"
    """Which linear layers of the language model get one, by the last part of their names: `["q_proj", "v_proj"]`;
    `all-linear` is every one of them. Never the vision encoder, the embedding or the head."""


class TrainConfig(Settings):
    """One round's training."""

    loss: Annotated[Loss, Field(discriminator="type")] = RegGrpoConfig()
    """The policy loss and its own knobs."""
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-6
    """AdamW step size (base recipe: 1e-6)."""
    lora: LoraConfig | None = None
    """Adapters to train in place of the whole language model."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.0
    """AdamW weight decay."""
    max_grad_norm: Annotated[float, Field(gt=0.0)] = 1.0
    """Gradients are scaled down to this norm; the table holds the norm before."""
    kl_weight: Annotated[float, Field(ge=0.0)] = 0.1
    """Weight of KL(policy || reference) (paper: 0.1; its authors used 1.0 for Figure 3)."""
    kl_target: Annotated[float, Field(gt=0.0)] | None = None
    """KL, in the unit of `train_steps.kl`, that the weight is steered to; not set, the weight stays. With a target
    `kl_weight` is where it starts, and the optimiser's state carries it from round to round (trainer/kl_weight.py)."""
    kl_estimator: Literal["k1", "k2", "k3", "k3_ratio"] = "k3"
    """Per-token estimator; k3 is the field's usual, k3_ratio is k3 times pi_theta / pi_old (trainer/losses/kl.py)."""
    kl_clamp: Annotated[float, Field(gt=0.0)] | None = None
    """Bound on |log pi_ref - log pi_theta| a token; tokens beyond it get no KL gradient."""
    kl_reduction: Literal["mean", "sum"] = "mean"
    """Mean over a response's tokens (GRPO's scale), or their sum (the KL of whole responses, Reg-GRPO's scale)."""
    max_kl: Annotated[float, Field(gt=0.0)] | None = None
    """A step that finds a higher KL to the reference is not taken and ends the round's updates; `stopped` says so."""
    max_rho_std: Annotated[float, Field(gt=0.0)] | None = None
    """The same for the mean over groups of std(rho), nats."""
    importance_sampling: Literal["off", "token", "sequence"] = "off"
    """Whether the policy loss of a token or a response is multiplied by min(pi_old / pi_engine, importance_cap), which
    corrects for the engine's numerics (trainer/losses/importance.py). Not for rebel, dpo, online_dpo and sft."""
    importance_cap: Annotated[float, Field(ge=1.0)] = 2.0
    """The largest such weight; `train_steps.importance_capped` has the share that was above. Ours."""
    groups_per_batch: Annotated[int, Field(ge=1)] = 8
    """Groups an optimiser step (base recipe: 8 prompts)."""
    tokens_per_forward: Annotated[int, Field(ge=1)] = 8192
    """Most tokens of a forward pass, prompts once and responses padded to their group's longest; a larger group passes
    alone. Gradients add up over the batch, so it changes memory and speed, not the step."""
    updates_per_batch: Annotated[int, Field(ge=1)] = 2
    """Optimiser steps a batch, mu. Eq. 8 itself is only exercised from the second on (METHOD.md section 2)."""
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    """Precision of forward and backward passes; weights and optimiser state stay in float32."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, more time."""
    num_processes: Annotated[int, Field(ge=1)] = 1
    """Processes that train, each on whole groups of every batch; on GPUs one a device (docs/gpu.md). The method is the
    same but for rounding, as on another machine: a change makes nothing stale."""
    strategy: Literal["ddp", "fsdp2"] = "ddp"
    """What several processes keep: `ddp`, each the whole policy and optimiser; `fsdp2`, each its part of them."""
    save_every: Annotated[int, Field(ge=1)] = 25
    """Optimiser steps after which weights and optimiser are saved beside the round: a killed stage goes on there."""
    trackers: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = ()
    """Where each optimiser step is logged live, as its row of `train_steps`; changes no number, makes nothing stale."""

    @model_validator(mode="after")
    def _can_weigh(self) -> Self:
        levels = IMPORTANCE_LEVELS.get(self.loss.type, ())
        if self.importance_sampling not in ("off", *levels):
            raise ValueError(
                f"importance_sampling is {self.importance_sampling}, loss.type {self.loss.type}: "
                f"that loss can have {' or '.join(levels) or 'none'}; "
                f"give importance_sampling = {' or '.join(levels) or 'off'}"
            )
        return self

    @model_validator(mode="after")
    def _can_spread(self) -> Self:
        if self.num_processes > self.groups_per_batch:
            raise ValueError(
                f"num_processes is {self.num_processes}, groups_per_batch {self.groups_per_batch}: a process trains on "
                "whole groups of each batch; give no more processes than groups"
            )
        return self

    @model_validator(mode="after")
    def _can_adapt(self) -> Self:
        if self.kl_target is not None and self.kl_weight == 0:
            raise ValueError(
                f"kl_target is {self.kl_target}, kl_weight 0: the weight is steered by factors, and 0 stays 0; "
                "start above it"
            )
        return self
