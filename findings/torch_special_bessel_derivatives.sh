#!/usr/bin/env bash
# torch 2.13.0: Bessel and Airy functions have no derivative, and nobody says so.
#
# torch.func.jvp of y = x + f(x) is that of x alone, and so is the gradient by backward(), for f each of twelve functions
# of torch.special (bessel_j0, bessel_j1, bessel_y0, bessel_y1, modified_bessel_i0, …_i1, …_k0, …_k1, scaled_…_k0,
# scaled_…_k1, spherical_bessel_j0, airy_ai). Others without a rule, such as gammainc, raise NotImplementedError.
#
# Seen: every line below with "jvp 1.0, grad 1.0" and a difference that is far from 1.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet "torch==2.13.0" "numpy>=1.26"
"$scratch/venv/bin/python" - <<'PYTHON'
import torch

print("torch", torch.__version__)
names = [
    "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1",
    "modified_bessel_i0", "modified_bessel_i1", "modified_bessel_k0", "modified_bessel_k1",
    "scaled_modified_bessel_k0", "scaled_modified_bessel_k1", "spherical_bessel_j0", "airy_ai",
]
x, step, changed = torch.tensor([0.5], dtype=torch.float64), 1e-6, []
for name in names:
    special = getattr(torch.special, name)

    def function(x):
        return x + special(x)

    jvp = torch.func.jvp(function, (x,), (torch.ones_like(x),))[1].item()
    leaf = x.clone().requires_grad_()
    function(leaf).sum().backward()
    difference = ((function(x + step) - function(x - step)) / (2 * step)).item()
    print(f"x + {name}(x) at 0.5: jvp {jvp}, grad {leaf.grad.item()}, difference {difference:.4f}")
    if not (jvp == 1 and leaf.grad.item() == 1 and abs(difference - 1) > 0.05):
        changed.append(name)
try:
    torch.func.jvp(lambda x: torch.special.gammainc(x, x), (x,), (torch.ones_like(x),))
    changed.append("gammainc")
except NotImplementedError as error:
    print("gammainc:", type(error).__name__)
assert not changed, f"no longer so: {changed}"
PYTHON
