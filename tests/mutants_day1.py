"""Mistakes put into the lessons of day 1, and those of them that no test notices, with reasons."""

# lesson -> name of the mutant -> (text that stands once in the lesson's code, its replacement)
CODE = {
    "00": {
        "scaled as if there were 256 gray levels": (
            'load_images("digits").train_x[:30] / 16',
            'load_images("digits").train_x[:30] / 255',
        ),
        "paper counted as ink": ("(digits > 0).float()", "(digits >= 0).float()"),
    },
    "1.01": {
        "rows divided as if they were columns": (
            "gray_given_digit = joint / p_digit[:, None]",
            "gray_given_digit = joint / p_digit",
        ),
        "shrinkage chosen on the test part": (
            "accuracy(log_joint(model, validation_x), validation_y) for model in models",
            "accuracy(log_joint(model, test_x), test_y) for model in models",
        ),
        "a mean of logs for the log of a mean": (
            "-(torch.stack(log_p).logsumexp(dim=0) - math.log(draws)).mean().item()",
            "-torch.stack(log_p).mean().item()",
        ),
        "diffusion noise without the root": (
            "(t > 0) * betas[t].sqrt() * torch.randn_like(x)",
            "(t > 0) * betas[t] * torch.randn_like(x)",
        ),
    },
    "1.02": {
        "gradients overwritten, not added": (
            "parent.grad = parent.grad + unbroadcast(",
            "parent.grad = unbroadcast(",
        ),
        "zero_grad forgotten in the loop by hand": (
            "            optimizer.zero_grad()  # 3. forget the last gradients\n",
            "",
        ),
        "accuracy measured with dropout on": (
            "    model.eval()  # evaluation mode: dropout off\n",
            "",
        ),
        "table of errors transposed": (
            "confusion.index_put_((data.test_y, guess)",
            "confusion.index_put_((guess, data.test_y)",
        ),
    },
    "1.03": {
        "KL the wrong way round": (
            "-torch.xlogy(p_table, p_table).sum() + kl_discrete(p_table, q) for q in wide",
            "-torch.xlogy(p_table, p_table).sum() + kl_discrete(q, p_table) for q in wide",
        ),
        "log p of the rejected place kept": (
            "log_p = torch.where(accept, log_new, log_p)",
            "log_p = log_new",
        ),
        "groups chosen by the training part": (
            "chosen = list(fits)[int(np.argmin(on_validation))]",
            "chosen = list(fits)[int(np.argmin(on_train))]",
        ),
        "gradient of the mean for that of each draw": (
            "torch.autograd.grad(f(z).sum(), z)[0]",
            "torch.autograd.grad(f(z).mean(), z)[0]",
        ),
    },
    "1.04": {
        "every pair counted twice in the energy": (
            "return -0.5 * ((states @ weights) * states).sum(dim=-1)",
            "return -((states @ weights) * states).sum(dim=-1)",
        ),
        "persistent chains that start again each step": (
            "chain = gibbs(chain if persistent else v, rbm)",
            "chain = gibbs(v, rbm)",
        ),
        "known half not put back": (
            "v = torch.cat([known, torch.bernoulli(p)[:, half:]], dim=1)",
            "v = torch.bernoulli(p)",
        ),
        "annealing weighs after the move": (
            "        log_w += ais_step(v, *rbm, base, beta, after)\n"
            "        h = torch.bernoulli(torch.sigmoid(after * (v @ rbm.W + rbm.c)))\n"
            "        v = torch.bernoulli(torch.sigmoid((1 - after) * base"
            " + after * (h @ rbm.W.T + rbm.b)))\n",
            "        h = torch.bernoulli(torch.sigmoid(after * (v @ rbm.W + rbm.c)))\n"
            "        v = torch.bernoulli(torch.sigmoid((1 - after) * base"
            " + after * (h @ rbm.W.T + rbm.b)))\n"
            "        log_w += ais_step(v, *rbm, base, beta, after)\n",
        ),
    },
    "1.05": {
        "PCA fitted to the pictures that it copies": (
            "PCA(latents).fit(train.cpu())",
            "PCA(latents).fit(x.cpu())",
        ),
        "denoiser taught to copy the noise": (
            "return F.mse_loss(model(x + SIGMA * torch.randn_like(x)), x)  # noisy in, clean out",
            "noisy = x + SIGMA * torch.randn_like(x)\n    return F.mse_loss(model(noisy), noisy)",
        ),
        "rounding noise from 0 to 1": (
            "step * (torch.rand_like(z) - 0.5)",
            "step * torch.rand_like(z)",
        ),
        "root of the covariance transposed": (
            "codes.mean(dim=0) + noise @ root.T",
            "codes.mean(dim=0) + noise @ root",
        ),
    },
    "1.06": {
        "KL with the wrong sign": ("x, z) - kl(mu, log_var)", "x, z) + kl(mu, log_var)"),
        "no KL": ("model.log_likelihood(x, z) - kl(mu, log_var)", "model.log_likelihood(x, z)"),
        "mean over pixels": (
            ".sum(dim=1)  # (B,): a sum over pixels, never a mean",
            ".mean(dim=1)  # (B,)",
        ),
        "bins twice as wide": (
            "x, half = to_unit(x).unsqueeze(2), 1 / (n_levels - 1)",
            "x, half = to_unit(x).unsqueeze(2), 2 / (n_levels - 1)",
        ),
        "bins without tails": ("torch.where(x > -1, inside", "torch.where(x > -2, inside"),
        "bin without width": ("torch.expm1(-width)", "torch.expm1(width)"),
        "test on training pictures": (
            "vae_bound = bound(vae, test[:2000])",
            "vae_bound = bound(vae, train)",
        ),
        "train on test pictures": (
            "for part in (data.train_x, data.validation_x",
            "for part in (data.test_x, data.validation_x",
        ),
        "no early stopping": ('keep_best=True, label="first VAE"', 'label="first VAE"'),
        "warps far too strong": (
            "def warp_half(x, strength=0.15)",
            "def warp_half(x, strength=1.5)",
        ),
        "a tenth of the steps": ("steps=2_000, short=500", "steps=200, short=500"),
        "two latents": ("latents=16, hidden=256", "latents=2, hidden=256"),
        "conditional weights upside down": (
            "log_ratio = (prior.log_prob(z) - q.log_prob(z))",
            "log_ratio = (q.log_prob(z) - prior.log_prob(z))",
        ),
        "one logistic": ("self, components=2, dropout=0.1", "self, components=1, dropout=0.1"),
        "no dropout": ("self, components=2, dropout=0.1", "self, components=2, dropout=0.0"),
        "a yardstick far too long": ("yardstick = distance_to_test(train)", "yardstick = 100.0"),
        "toy posterior too wide": ("noise / math.sqrt(1 + noise**2))  # exact", "noise)  # exact"),
        "weights upside down": (
            "x, z) + (prior.log_prob(z) - q.log_prob(z)",
            "x, z) + (q.log_prob(z) - prior.log_prob(z)",
        ),
        "importance samples without noise": (
            "z = q.sample()\n        rows.append",
            "z = q.mean\n        rows.append",
        ),
        "nats of the wrong latents": ("log_var[:, [d]]).mean()", "log_var[:, [0]]).mean()"),
        "a traversal that moves nothing": ("moved[row, :, latent] =", "code.clone()[latent] ="),
        "codes blended as pictures": (
            "of_codes = paint(vae, (codes[left] + codes[right]) / 2, sample=False)",
            "of_codes = (test[left] + test[right]) / 2",
        ),
        "bumps that are not": ("(p > fenced[..., :-2]) & (p", "(p < fenced[..., :-2]) & (p"),
        "nested blocks that are not": ("log_r.split(size)", "log_r[:size].split(1)"),
        "rate and distortion swapped": (
            "return kl(mu, log_var), -model.log_likelihood(x, reparameterize(mu, log_var))",
            "return -model.log_likelihood(x, reparameterize(mu, log_var)), kl(mu, log_var)",
        ),
        "a decoder that sees its own pixel": ("self.peek.tril(-1)", "self.peek.tril(0)"),
        "no free bits": ("floor=0.5)", "floor=0.0)"),
        "no warm-up": ("warm_up=settings.short // 2)", "warm_up=0)"),
        "classes ignored when drawing": (
            "self.decoder(torch.cat([z, F.one_hot(y, 10)], dim=1))",
            "self.decoder(torch.cat([z, 0 * F.one_hot(y, 10)], dim=1))",
        ),
        "judge trained on the test": (
            "judge = SVC(C=10).fit(as_rows(train[:5000]), data.train_y[:5000])",
            "judge = SVC(C=10).fit(as_rows(test), data.test_y)",
        ),
        "library with the variance": ("torch.exp(inputs[1] / 2)", "torch.exp(inputs[1])"),
    },
    "1.07": {
        "colors mixed across pixels": (
            "train_x[:2000].movedim(1, 3).reshape(-1, 3)",
            "train_x[:2000].reshape(-1, 3)",
        ),
        "weights of the two code losses swapped": (
            "F.mse_loss(e, z.detach()) + 0.25 * F.mse_loss(z, e.detach())",
            "0.25 * F.mse_loss(e, z.detach()) + F.mse_loss(z, e.detach())",
        ),
        "sums of restarted codes not weighted": (
            "model.sums[dead] = 0.1 * share * z[places]",
            "model.sums[dead] = z[places]",
        ),
        "temperature upside down": ("prior(s)[:, t] / temperature", "prior(s)[:, t] * temperature"),
    },
}

# lesson -> name of the mutant -> why nothing notices it
SURVIVORS = {
    "00": {
        "scaled as if there were 256 gray levels": "a common factor changes neither the order by "
        "ink nor which pixels are above 0, and nothing else is claimed of the gray levels there",
    },
    "1.06": {
        "no dropout": "warps and averaging alone keep the bound inside its band; the lesson claims "
        "the three cures together",
    },
}
