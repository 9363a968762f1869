"""Mistakes put into the lessons of day 2, and those of them that no test notices, with reasons."""

# lesson -> name of the mutant -> (text that stands once in the lesson's code, its replacement)
CODE = {
    "2.01": {
        "a best discriminator that moves along": (
            "Normal(0.0, 1.0).log_prob(x) - Normal(d, 1.0).log_prob(x)",
            "Normal(0.0, 1.0).log_prob(x) - Normal(mean, 1.0).log_prob(x)",
        ),
        "gradients of the discriminator pile up": (
            "optimizer.zero_grad()\n    (loss + penalty).backward()",
            "(loss + penalty).backward()",
        ),
        "spread over channels, not over the batch": (
            "x.var(dim=0, unbiased=False)",
            "x.var(dim=1, unbiased=False)",
        ),
        "progress measured on training digits": (
            "validation = features(data.validation_x[:1000])",
            "validation = features(data.train_x[:1000])",
        ),
    },
    "2.02": {
        "one mixing share for the whole batch": (
            "t = torch.rand(*real.shape[:-1], 1)",
            "t = torch.rand(1)",
        ),
        "R1 at drawn points": (
            "slopes(critic, real).square()",
            "slopes(critic, fake).square()",
        ),
        "the game of two numbers, in turn": (
            "theta, psi = theta + step * psi * s, psi - step * (theta * s + gamma * psi)",
            "theta = theta + step * psi * s\n        psi -= step * (theta * s + gamma * psi)",
        ),
        "KL as a mean over the latents": (
            "(mu**2 + log_var.exp() - 1 - log_var).sum(dim=1)",
            "(mu**2 + log_var.exp() - 1 - log_var).mean(dim=1)",
        ),
    },
    "2.03": {
        "codes normalized over the batch": (
            "z.square().mean(dim=1, keepdim=True)",
            "z.square().mean(dim=0, keepdim=True)",
        ),
        "rare R1 without its factor": (
            "weight = 4 * r1 if step % 4 == 0",
            "weight = r1 if step % 4 == 0",
        ),
        "linear readers tested on what they learned from": (
            "((inputs[1500:] @ fit_to).argmax(dim=1) == classes[1500:])",
            "((inputs[:1500] @ fit_to).argmax(dim=1) == classes[:1500])",
        ),
        "half of the cycle": (
            "F.l1_loss(to_plain(fake_y), x) + F.l1_loss(to_striped(fake_x), y)",
            "F.l1_loss(to_plain(fake_y), x)",
        ),
    },
    "2.04": {
        "time not divided by T": (
            "angle = t[:, None] / T * speed",
            "angle = t[:, None] * speed",
        ),
        "class never left out": (
            "y = torch.where(torch.rand(len(y), device=y.device) < 0.2, 10, y)\n    return T *",
            "return T *",
        ),
        "the prior as a mean over pixels": (
            "(a * to_unit(levels) ** 2 + (1 - a) - 1 - (1 - a).log()).sum(dim=(1, 2))",
            "(a * to_unit(levels) ** 2 + (1 - a) - 1 - (1 - a).log()).mean(dim=(1, 2))",
        ),
        "captions learned without the weight of time": (
            "((predicted - x) ** 2 / (1 - t).clamp(min=0.1)).mean()",
            "((predicted - x) ** 2).mean()",
        ),
    },
    "2.05": {
        "smoothing chosen on test stories": (
            "validation_counts = {n: look_up(validation_ids, n) for n in orders}",
            "validation_counts = {n: look_up(test_ids, n) for n in orders}",
        ),
        "analogies that may answer with their own words": (
            "    close.scatter_(1, questions[:, :3], -math.inf)\n",
            "",
        ),
        "add-1 without its denominator": (
            "total = learned.total() + 256 + n",
            "total = learned.total()",
        ),
        "padding counted in the loss": (
            "ignore_index=PAD, reduction=reduction",
            "reduction=reduction",
        ),
    },
    "2.06": {
        "summaries of different sentences mixed": (
            "self.bridge(last.transpose(0, 1).flatten(1)).tanh()",
            "self.bridge(last.reshape(len(source), -1)).tanh()",
        ),
        "the last mark counted as a word": (
            "F.pad(true != PAD, (0, 2))[:, 2:]",
            "F.pad(true != PAD, (0, 1))[:, 1:]",
        ),
        "straight across, the start forgotten": (
            "grid[t, min(t + 1, grid.shape[1] - 1)]",
            "grid[t, min(t, grid.shape[1] - 1)]",
        ),
        "several heads that look at padding": (
            "mask = valid[:, None].expand(-1, states.shape[1], -1)  # (B, T, S)",
            "mask = torch.ones_like(valid)[:, None].expand(-1, states.shape[1], -1)",
        ),
    },
    "2.07": {
        "embeddings not scaled up": (
            "x = embedding(tokens) * embedding.embedding_dim**0.5",
            "x = embedding(tokens)",
        ),
        "the GRU's way back left in backward order": (
            "        back = back.gather(1, turned[..., None].expand_as(back))"
            "  # in reading order again\n",
            "",
        ),
        "a second round on the same sentences": (
            'pairs_of("training", settings.sentences, run.seed + 100)',
            'pairs_of("training", settings.sentences, run.seed)',
        ),
        "a beam that adds up raw logits": (
            "beam_step(scores, logits[:, -1].log_softmax(dim=-1).cpu(), k)",
            "beam_step(scores, logits[:, -1].cpu(), k)",
        ),
    },
    "2.08": {
        "a floor that counts the given sign": (
            "sum(len(encode(story.text)) - 1 for story in some)",
            "sum(len(encode(story.text)) for story in some)",
        ),
        "a rate that never falls": (
            "rate = min(1, step / 20, 1.4 * (1 - (step - 1) / steps))",
            "rate = min(1, step / 20)",
        ),
        "words to a mistake as a mean over stories": (
            "sum(words) / max(1, sum(word is not None for word in wrong))",
            "sum(words) / len(texts)",
        ),
        "copies counted one token too early": (
            "again = torch.arange(1, 49) > check_period",
            "again = torch.arange(1, 49) >= check_period",
        ),
    },
    "2.09": {
        "prompts padded on the right": (
            'padding_side="left"',
            'padding_side="right"',
        ),
        "gaps learned with padding in sight": (
            "logits = model(inputs, tokens == 0)",
            "logits = model(inputs)",
        ),
        "asked about the end, shown the beginning": (
            "return story, *random.choice(stories.questions(story, after=after))",
            "return story, *random.choice(stories.questions(story))",
        ),
        "looks without the division by the root of D": (
            "(q @ k.mT / q.shape[-1] ** 0.5 + bias).softmax(dim=-1)",
            "(q @ k.mT + bias).softmax(dim=-1)",
        ),
    },
}

# lesson -> name of the mutant -> why nothing notices it
SURVIVORS = {
    "2.04": {
        "class never left out": "the claims are about what guided drawings look like, and those "
        "hold as well when the step leads away from a class that was never learned",
    },
    "2.05": {
        "smoothing chosen on test stories": "the test stories choose the same smoothing and the "
        "same n, which the lesson prints",
    },
}
