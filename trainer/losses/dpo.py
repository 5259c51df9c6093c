"""DPO: -log sigmoid(beta (h_w - h_l)), h = log pi_theta(y|x) - log pi_ref(y|x); arXiv:2305.18290, Eq. 7.

Online DPO (arXiv:2402.04792) is the same loss on pairs that the current policy sampled.
"""

from torch import Tensor
from torch.nn.functional import softplus

from trainer.losses.log_ratio import log_ratio


def dpo(policy_logps: Tensor, ref_logps: Tensor, mask: Tensor, pairs: Tensor, *, beta: float = 0.1) -> Tensor:
    """The loss is the mean over pairs of -log sigmoid(beta (h_w - h_l)), w the better response, l the worse.

    dL/dh_w = -dL/dh_l = -(beta / P) sigmoid(-beta (h_w - h_l)): at theta = ref every pair pulls with beta / 2, and one
    that is ordered already hardly. Only the difference counts, so both may become unlikely together. The KL is implicit
    in beta; `train.kl_weight = 0` is the published loss.

    Args:
        policy_logps: [N, T] log-probs of the response tokens; has the gradient.
        ref_logps: [N, T], the same tokens under the frozen reference; a constant.
        mask: [N, T], true at response tokens. What the others hold is never read, NaN included.
        pairs: [P, 2], rows of the better and the worse response, both to one prompt.
        beta: above 0; small lets the policy move far.

    Returns:
        A scalar to minimise, log 2 at theta = ref; 0 with zero gradients without pairs. At least float32.

    Raises:
        ValueError: shapes that differ, pairs that are not [P, 2], a `beta` that is not above 0.
    """
    log_ratios = log_ratio(policy_logps, ref_logps, mask)
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        raise ValueError(f"pairs have shape {tuple(pairs.shape)}: pass [P, 2], the better response's row first")
    if not beta > 0:
        raise ValueError(f"beta is {beta}: it weighs the log-ratios and must be above 0; use 0.1")
    margin = log_ratios[pairs[:, 0]] - log_ratios[pairs[:, 1]]
    return softplus(-beta * margin).sum() / max(len(pairs), 1)
