"""Mistakes put into the lessons of day 3, and those of them that no test notices, with reasons."""

# lesson -> name of the mutant -> (text that stands once in the lesson's code, its replacement)
CODE = {
    "3.01": {
        "labels shifted twice": (
            "model(input_ids=ids, labels=ids).loss",
            "model(input_ids=ids, labels=ids.roll(-1, dims=1)).loss",
        ),
        "plain mean for embeddings": (
            'def embed(texts, pool=mean_pool, fill_to=None, side="right"):',
            'def embed(texts, pool=lambda states, _: states.mean(1), fill_to=None, side="right"):',
        ),
        "trios cut along the wrong axis": (
            "near = embed(trios).view(-1, 3, bank.shape[1])",
            "near = embed(trios).view(3, -1, bank.shape[1]).transpose(0, 1)",
        ),
        "learning rate chosen on the test": (
            "train_dataset=train, eval_dataset=validation,",
            "train_dataset=train, eval_dataset=test,",
        ),
    },
    "3.02": {
        "target is the input itself": (
            "rows[:, 1:].flatten(), reduction=reduction)",
            "rows[:, :-1].flatten(), reduction=reduction)",
        ),
        "weights counted as activations": (
            "if storage.data_ptr() not in weights and tensor.is_floating_point():",
            "if tensor.is_floating_point():",
        ),
        "gradients never set to zero": (
            "        optimizer.zero_grad()\n        if scheduler:",
            "        if scheduler:",
        ),
        "interval of the line, not of a new point": (
            "np.sqrt(1 + 1 / len(x) + far)",
            "np.sqrt(1 / len(x) + far)",
        ),
    },
    "3.03": {
        "precision and recall exchanged": (
            "[common / max(1, a.total()), common / b.total()]",
            "[common / b.total(), common / max(1, a.total())]",
        ),
        "old examples not shuffled": (
            "old = random.sample(old_train, len(old_train))",
            "old = list(old_train)",
        ),
        "alpha chosen on the test": (
            "line = [shares(at(alpha), choice) for alpha in alphas]",
            "line = [shares(at(alpha)) for alpha in alphas]",
        ),
        "own loop without clipping": (
            "        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)"
            "  # as the trainer does\n",
            "",
        ),
    },
    "3.04": {
        "vocabulary taken from the test as well": (
            'x = words.fit_transform([texts["train"][i] for i in rows])',
            'x = words.fit(texts["train"] + texts["test"]).transform('
            '[texts["train"][i] for i in rows])',
        ),
        "gradients never set to zero": (
            'labels[task]["train"][batch].to(run.device))\n        optimizer.zero_grad()\n',
            'labels[task]["train"][batch].to(run.device))\n',
        ),
        "dropout left on in the test": (
            "    model.eval()\n    with torch.inference_mode():\n        hidden = shared(",
            "    with torch.inference_mode():\n        hidden = shared(",
        ),
        "unseen domain left in the training": (
            'other = np.flatnonzero(domain["train"] != name)',
            'other = np.arange(len(domain["train"]))',
        ),
    },
    "3.05": {
        "singular values not squared": (
            "torch.linalg.svdvals(W)[:384].square()",
            "torch.linalg.svdvals(W)[:384]",
        ),
        "mean over the prompt, not the last words": (
            "(hidden[:, length:] * mask)",
            "(hidden[:, :-length] * mask)",
        ),
        "new adapter never made active": ("    shared.set_adapter(task)\n", ""),
        "story counted in the headline's loss": (
            "labels = [[-100] * len(a) + b + [-100]",
            "labels = [a + b + [-100]",
        ),
    },
    "3.06": {
        "user's words counted in the loss": (
            "(p + a, [-100] * len(p) + a)",
            "(p + a, p + a)",
        ),
        "reward model trained on its test": (
            "for first in range(0, (OPENINGS - HELD) * K, K):",
            "for first in range(0, OPENINGS * K, K):",
        ),
        "leash with the wrong sign": (
            "-(advantage * log_p - LEASH * k3).mean()",
            "-(advantage * log_p + LEASH * k3).mean()",
        ),
        "red team keeps the mildest prompts": (
            "rates.argsort(descending=True)[:12]",
            "rates.argsort()[:12]",
        ),
    },
    "3.07": {
        "captions' filling is read": (", src_key_padding_mask=tokens == PAD)", ")"),
        "painter's error not weighted by time": (
            "((predicted - x) ** 2 / (1 - t).clamp(min=0.1)).mean()",
            "((predicted - x) ** 2).mean()",
        ),
        "filling counted in the likelihood": (
            "(log_p * (tokens != PAD)).sum(dim=1).cpu()",
            "log_p.sum(dim=1).cpu()",
        ),
        "frames compared one too early": (
            "(drawn.float() - true[:, 1:].float())",
            "(drawn.float() - true[:, :-1].float())",
        ),
    },
    "3.08": {
        "token weights off by one": (
            "(losses * weight[:, 1:]).sum() / weight[:, 1:].sum()",
            "(losses * weight[:, :-1]).sum() / weight[:, :-1].sum()",
        ),
        "first step without its reward": (
            "[:, DIGITS:, 0]  # of what",
            "[:, DIGITS + 1 :, 0]  # of what",
        ),
        "threshold judged where it was chosen": (
            "errors(THRESHOLD, half=0)",
            "errors(THRESHOLD, half=1)",
        ),
        "questions counted in the loss": (
            "WEIGHTS = (0.0, 1.0, 0.1, 1.0)",
            "WEIGHTS = (1.0, 1.0, 0.1, 1.0)",
        ),
    },
    "3.09": {
        "root of the covariance transposed": ("noise @ root.T", "noise @ root"),
        "one bit too many": ("/ (2 ** (BITS - 1) - 1)", "/ (2**BITS - 1)"),
        "judge sums instead of means": (
            "log_p[ends[0] : ends[1]].mean() - log_p[ends[2] : ends[3]].mean()",
            "log_p[ends[0] : ends[1]].sum() - log_p[ends[2] : ends[3]].sum()",
        ),
        "fresh stories in the training": (
            "world[:32], world[32:64], world[64:]",
            "world[:32], world[32:64], world[32:]",
        ),
    },
    "3.10": {
        "prompts filled on the right": ('padding_side="left",', 'padding_side="right",'),
        "containment turned around": (
            'r["wanted"].lower() in s.lower()',
            's.lower() in r["wanted"].lower()',
        ),
        "guard reads the story without its new sentence": (
            "if not guard or possible(longer):",
            "if not guard or possible(text):",
        ),
        "answer without support ends in silence": (
            "    if not supported(said, text, FREE):\n        raise Refused(NO_ANSWER)",
            "",
        ),
    },
    "3.11": {
        "best and worst exchanged": (
            'np.where(["↑" in sign for sign in signs], 1, -1)',
            'np.where(["↑" in sign for sign in signs], -1, 1)',
        ),
        "KL with a wrong sign": (
            "(mu**2 + log_var.exp() - 1 - log_var)",
            "(mu**2 + log_var.exp() - 1 + log_var)",
        ),
        "mask off by one": ("(chosen * mask[:, 1:])", "(chosen * mask[:, :-1])"),
        "judged on the training rows": (
            "positive, cv=folds)",
            "positive, cv=[(np.arange(len(rows)), np.arange(len(rows)))])",
        ),
    },
}

# lesson -> name of the mutant -> why nothing notices it
SURVIVORS = {
    "3.01": {
        "learning rate chosen on the test": "validation and test sentences are of one kind, and "
        "every claim holds whichever of them chose the rate",
    },
    "3.03": {
        "alpha chosen on the test": "the best compromise lies between the ends on either set, and "
        "every claim holds whichever of them chose it",
    },
    "3.07": {
        "filling counted in the likelihood": "the two captions of a pair are equally long, "
        "and what follows their ends is nearly certain",
    },
    "3.08": {
        "threshold judged where it was chosen": "the questions of both halves are of one kind, "
        "and the claims hold on either",
    },
}
