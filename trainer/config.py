"""The settings of the train stage; loads without torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Base of the trainer's settings: frozen, no unknown field, no infinity; field docstrings kept as descriptions."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class RegGrpoConfig(Settings):
    """Reg-GRPO (arXiv:2506.07464, Eq. 8)."""

    type: Literal["reg_grpo"] = "reg_grpo"
    """Which loss."""
    std_floor: Annotated[float, Field(gt=0.0)] = 0.01
    """Floor s of std(rho), nats; above the std that rounding alone gives. Ours: the paper gives none."""


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


class TrainConfig(Settings):
    """One round's training."""

    loss: Annotated[RegGrpoConfig | GrpoConfig, Field(discriminator="type")] = RegGrpoConfig()
    """The policy loss and its own knobs."""
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-6
    """AdamW step size (base recipe: 1e-6)."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.0
    """AdamW weight decay."""
    max_grad_norm: Annotated[float, Field(gt=0.0)] = 1.0
    """Gradients are scaled down to this norm; the table holds the norm before."""
    kl_weight: Annotated[float, Field(ge=0.0)] = 0.1
    """Weight of KL(policy || reference) (paper: 0.1; its authors used 1.0 for Figure 3)."""
    kl_estimator: Literal["k1", "k2", "k3"] = "k3"
    """Per-token estimator; k3 is the field's usual (docs: trainer/losses/kl.py)."""
    kl_clamp: Annotated[float, Field(gt=0.0)] | None = None
    """Bound on |log pi_ref - log pi_theta| a token; tokens beyond it get no KL gradient."""
    groups_per_batch: Annotated[int, Field(ge=1)] = 8
    """Groups an optimiser step (base recipe: 8 prompts)."""
    groups_per_forward: Annotated[int, Field(ge=1)] = 1
    """Groups a forward pass; gradients accumulate to the batch, so it changes memory and speed, not the step."""
    updates_per_batch: Annotated[int, Field(ge=1)] = 2
    """Optimiser steps a batch, mu. Eq. 8 itself is only exercised from the second on (METHOD.md section 2)."""
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    """Precision of forward and backward passes; weights and optimiser state stay in float32."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, more time."""
    trackers: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = ()
    """Where each optimiser step is logged live, as its row of `train_steps`; changes no number, makes nothing stale."""
