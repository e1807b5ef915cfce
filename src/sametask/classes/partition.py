"""From answers to pairs to classes, and to an order among these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse.csgraph import minimum_spanning_tree

from sametask._types import Array, Bool, Float
from sametask.classes.answers import Answer
from sametask.verdict.verdict import Decision

Answers = dict[tuple[int, int], Answer]
_LEAST = 1e-12


@dataclass(frozen=True)
class Contradiction:
    """Answers that cannot all be right.

    Attributes:
        kind: ``"apart"``: ``first`` and ``second`` are equivalent by their own test, and two of their classes are not;
            ``"both ways"``: one class determines the other by some pairs, and by others not so; ``"around"``: classes
            determine one another in a circle, or what follows from two arrows was found not to be so.
        first, second: the pair that was not heard.
        against: the pair that contradicts it.
    """

    kind: str
    first: int
    second: int
    against: tuple[int, int]


@dataclass(frozen=True)
class Partition:
    """Classes of networks, and which of them determine which.

    Two classes are joined where two of their members are equivalent, the surest first; never where any two of their
    members are surely not. Pairs that are undecided neither join nor separate.

    Attributes:
        classes: members of each, in the order of their first.
        confidence: of each, that its members belong together and no other network does.
        order: whether class i determines class j; transitive.
        contradictions: between the answers.
        open: pairs that are undecided, and that nothing else decides.
    """

    classes: tuple[tuple[int, ...], ...]
    confidence: tuple[float, ...]
    order: Bool[Array, "c c"]
    contradictions: tuple[Contradiction, ...]
    open: tuple[tuple[int, int], ...]

    @property
    def covers(self) -> tuple[tuple[int, int], ...]:
        """Arrows of the order that do not follow from others: what is drawn."""
        through = (self.order.astype(int) @ self.order.astype(int)) > 0
        return tuple((int(i), int(j)) for i, j in np.argwhere(self.order & ~through))


def partition(size: int, answers: Answers) -> Partition:
    """Classes of so many networks; ``answers`` are by pair (i, j), i < j."""
    groups, contradictions = _joined(size, answers)
    order, contrary = _ordered(groups, answers)
    label = {member: k for k, group in enumerate(groups) for member in group}
    settled = {
        frozenset((label[i], label[j])) for (i, j), answer in answers.items() if answer.decision is not _UNDECIDED
    }
    for i, j in np.argwhere(order):
        settled.add(frozenset((int(i), int(j))))
    left = tuple(
        pair
        for pair, answer in sorted(answers.items())
        if answer.decision is _UNDECIDED
        and label[pair[0]] != label[pair[1]]
        and frozenset((label[pair[0]], label[pair[1]])) not in settled
    )
    probability = probabilities(size, answers)
    confidence = tuple(_confidence(group, groups, probability, answers) for group in groups)
    return Partition(groups, confidence, order, (*contradictions, *contrary), left)


_UNDECIDED = Decision.UNDECIDED


def probabilities(size: int, answers: Answers) -> Float[Array, "n n"]:
    """That each two are equivalent."""
    result = np.eye(size)
    for (i, j), answer in answers.items():
        result[i, j] = result[j, i] = answer.probability
    return result


def strongest(members: Sequence[int], probability: Array, answers: Answers) -> list[tuple[int, int]]:
    """The links between equivalent members that hold a class together: a tree, of the surest."""
    members = sorted(members)
    weight = np.zeros((len(members),) * 2)
    for a, i in enumerate(members):
        for b, j in enumerate(members[a + 1 :], a + 1):
            if answers[i, j].decision is Decision.EQUIVALENT:
                weight[a, b] = -np.log(min(probability[i, j], 1 - _LEAST))
    tree = minimum_spanning_tree(weight).tocoo()
    return [(members[a], members[b]) for a, b in zip(tree.row.tolist(), tree.col.tolist(), strict=True)]


def _confidence(
    group: tuple[int, ...], groups: tuple[tuple[int, ...], ...], probability: Array, answers: Answers
) -> float:
    links = strongest(group, probability, answers)
    together = float(np.prod([probability[link] for link in links]))
    return min([together, *(_separate(group, other, answers) for other in groups if other is not group)])


def _separate(one: tuple[int, ...], two: tuple[int, ...], answers: Answers) -> float:
    """That two classes are not the same, as each holds together: by the surest pair that says so, unless another one
    says the opposite."""
    across = [answers[min(a, b), max(a, b)] for a in one for b in two]
    same = max((each.confidence for each in across if each.decision is Decision.EQUIVALENT), default=0.0)
    apart = max((each.confidence for each in across if each.apart), default=None)
    if apart is None:
        return 1 - max(each.probability for each in across)
    return apart * (1 - same)


def _joined(size: int, answers: Answers) -> tuple[tuple[tuple[int, ...], ...], list[Contradiction]]:
    group = {k: [k] for k in range(size)}
    equal = [pair for pair, answer in answers.items() if answer.decision is Decision.EQUIVALENT]
    refused = []
    for i, j in sorted(equal, key=lambda pair: (-answers[pair].confidence, pair)):
        if group[i] is group[j]:
            continue
        against = _apart(group[i], group[j], answers)
        if against:
            refused.append(Contradiction("apart", i, j, against))
            continue
        both = group[i] + group[j]
        for k in both:
            group[k] = both
    groups = {id(each): tuple(sorted(each)) for each in group.values()}
    final = tuple(sorted(groups.values()))
    # of each two classes the surest pair that would have joined them
    label = {member: k for k, members in enumerate(final) for member in members}
    shown: dict[frozenset[int], Contradiction] = {}
    for each in refused:
        shown.setdefault(frozenset((label[each.first], label[each.second])), each)
    return final, list(shown.values())


def _apart(one: list[int], two: list[int], answers: Answers) -> tuple[int, int] | None:
    """The surest pair of members that are not equivalent."""
    across = [(min(a, b), max(a, b)) for a in one for b in two]
    apart = [pair for pair in across if answers[pair].apart]
    return min(apart, key=lambda pair: (-answers[pair].confidence, pair), default=None)


def _ordered(groups: tuple[tuple[int, ...], ...], answers: Answers) -> tuple[Array, list[Contradiction]]:
    """Which class determines which, by their members; arrows that contradict surer ones are not heard."""
    contrary = []
    arrows: list[tuple[float, int, int, tuple[int, int]]] = []
    for a, one in enumerate(groups):
        for b in range(a + 1, len(groups)):
            across = {(i, j): _towards(answers, i, j) for i in one for j in groups[b]}
            ways: dict[Decision, list[tuple[int, int]]] = {}
            for pair, answer in across.items():
                if answer.apart:
                    ways.setdefault(answer.decision, []).append(pair)
            surest = {way: max(pairs, key=lambda pair: across[pair].confidence) for way, pairs in ways.items()}
            if len(surest) > 1:
                heard, *others = sorted(surest, key=lambda way: -across[surest[way]].confidence)
                contrary.append(Contradiction("both ways", *surest[others[0]], surest[heard]))
                continue
            for way, pair in surest.items():
                if way is not Decision.INEQUIVALENT:
                    source, target = (a, b) if way is Decision.FIRST_DETERMINES_SECOND else (b, a)
                    arrows.append((across[pair].confidence, source, target, pair))
    reach = np.zeros((len(groups),) * 2, bool)
    witness: dict[tuple[int, int], tuple[int, int]] = {}
    for _, source, target, pair in sorted(arrows, key=lambda arrow: (-arrow[0], arrow[3])):
        if reach[target, source]:
            contrary.append(Contradiction("around", *pair, witness.get((target, source), pair)))
            continue
        witness[source, target] = pair
        before = np.append(np.flatnonzero(reach[:, source]), source)
        after = np.append(np.flatnonzero(reach[target]), target)
        reach[np.ix_(before, after)] = True
    for a, b in np.argwhere(reach):
        denied = [
            (i, j) for i in groups[a] for j in groups[b] if _towards(answers, i, j).decision is Decision.INEQUIVALENT
        ]
        if denied:
            pair = max(denied, key=lambda pair: _towards(answers, *pair).confidence)
            contrary.append(Contradiction("around", *pair, witness.get((int(a), int(b)), pair)))
    return reach, contrary


def _towards(answers: Answers, i: int, j: int) -> Answer:
    """The answer to i and j, in this order."""
    return answers[i, j] if i < j else answers[j, i].swapped


def mirrored(answers: Answers) -> Answers:
    """The answers by either order of the pair."""
    return answers | {(j, i): answer.swapped for (i, j), answer in answers.items()}
