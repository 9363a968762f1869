"""Answers to the exercises of Day 2, as students type them."""

from answers_day1 import Answers

ANSWERS: dict[str, Answers] = {
    # ------------------------------------------------------------ 01 gans
    #
    #
    # ------------------------------------------------------------ 02 better_gans
    #
    #
    # ------------------------------------------------------------ 03 style_and_cycles
    #
    #
    # ------------------------------------------------------------ 04 diffusion
    "diffusion.noise": Answers(
        right=[
            "return alpha_bar**0.5 * x0 + (1 - alpha_bar) ** 0.5 * eps",
            "return torch.sqrt(alpha_bar) * x0 + torch.sqrt(1 - alpha_bar) * eps",
            "return x0 * alpha_bar.sqrt() + (1 - alpha_bar).sqrt().mul(eps)",
        ],
        wrong={
            "return alpha_bar * x0 + (1 - alpha_bar) * eps": "Both roots are missing",
            "return alpha_bar * x0 + (1 - alpha_bar).sqrt() * eps": "root of ᾱ in front of x0",
            "return alpha_bar**0.5 * x0 + (1 - alpha_bar) * eps": "root of 1 − ᾱ in front of",
            "return alpha_bar**0.5 * x0 + (1 - alpha_bar**0.5) * eps": "is 1 − √ᾱ",
            "return alpha_bar**0.5 * eps + (1 - alpha_bar) ** 0.5 * x0": "have changed places",
            "return alpha_bar**0.5 * x0 + eps": "The noise keeps its full size",
        },
    ),
    "diffusion.posterior_mean": Answers(
        right=[
            """
            beta = 1 - alpha_bar / alpha_bar_before
            first = torch.sqrt(alpha_bar_before) * beta * x0
            second = torch.sqrt(1 - beta) * (1 - alpha_bar_before) * x_t
            return (first + second) / (1 - alpha_bar)
            """,
            """
            a, b = alpha_bar, alpha_bar_before
            return ((b - a) * x0 + a.sqrt() * (1 - b) * x_t) / (b.sqrt() * (1 - a))
            """,
        ],
        wrong={
            """
            beta = 1 - alpha_bar
            a = alpha_bar / alpha_bar_before
            return (alpha_bar_before**0.5 * beta * x0
                    + a**0.5 * (1 - alpha_bar_before) * x_t) / (1 - alpha_bar)
            """: "This takes β = 1 − ᾱ",
            """
            a = alpha_bar / alpha_bar_before
            return (alpha_bar_before**0.5 * (1 - a) * x_t
                    + a**0.5 * (1 - alpha_bar_before) * x0) / (1 - alpha_bar)
            """: "have changed their factors",
            """
            a = alpha_bar / alpha_bar_before
            return (alpha_bar_before**0.5 * (1 - a) * x0
                    + a**0.5 * (1 - alpha_bar_before) * x_t)
            """: "division by 1 − ᾱ is missing",
            """
            a = alpha_bar / alpha_bar_before
            return (alpha_bar_before**0.5 * (1 - a) * x0
                    + alpha_bar**0.5 * (1 - alpha_bar_before) * x_t) / (1 - alpha_bar)
            """: "The factor of x_t has √ᾱ",
            """
            a = alpha_bar / alpha_bar_before
            return (alpha_bar_before * (1 - a) * x0
                    + a**0.5 * (1 - alpha_bar_before) * x_t) / (1 - alpha_bar)
            """: "root of ᾱ_before in front of x0",
            """
            first = alpha_bar_before**0.5 * (1 - alpha_bar) * x0
            second = alpha_bar**0.5 * (1 - alpha_bar_before) * x_t
            return (first + second) / (1 - alpha_bar)
            """: "α has no bar",
            """
            a = alpha_bar_before / alpha_bar
            first = alpha_bar_before**0.5 * (1 - a) * x0
            return (first + a**0.5 * (1 - alpha_bar_before) * x_t) / (1 - alpha_bar)
            """: "upside down",
        },
    ),
    "diffusion.ddim_step": Answers(
        right=[
            """
            eps = (x_t - torch.sqrt(alpha_bar) * x0) / torch.sqrt(1 - alpha_bar)
            return torch.sqrt(alpha_bar_before) * x0 + torch.sqrt(1 - alpha_bar_before) * eps
            """,
            """
            ratio = ((1 - alpha_bar_before) / (1 - alpha_bar)).sqrt()
            return ratio * x_t + (alpha_bar_before.sqrt() - ratio * alpha_bar.sqrt()) * x0
            """,
        ],
        wrong={
            """
            eps = (x_t - alpha_bar**0.5 * x0) / (1 - alpha_bar) ** 0.5
            return alpha_bar**0.5 * x0 + (1 - alpha_bar) ** 0.5 * eps
            """: "which is x_t again",
            """
            eps = (x_t - x0) / (1 - alpha_bar) ** 0.5
            return alpha_bar_before**0.5 * x0 + (1 - alpha_bar_before) ** 0.5 * eps
            """: "subtracted at its full size",
            """
            eps = x_t - alpha_bar**0.5 * x0
            return alpha_bar_before**0.5 * x0 + (1 - alpha_bar_before) ** 0.5 * eps
            """: "division by √(1 − ᾱ) is missing",
            "return (x_t - alpha_bar**0.5 * x0) / (1 - alpha_bar) ** 0.5": "This is the noise ε",
            "return alpha_bar_before**0.5 * x0 + (1 - alpha_bar_before) ** 0.5 * x_t": "x_t is not the noise",
            """
            eps = (x_t - (1 - alpha_bar) ** 0.5 * x0) / alpha_bar**0.5
            return alpha_bar_before**0.5 * x0 + (1 - alpha_bar_before) ** 0.5 * eps
            """: "have changed places",
        },
    ),
    "diffusion.guided": Answers(
        right=[
            "return (1 - weight) * free + weight * asked",
            "return torch.lerp(free, asked, weight)",
        ],
        wrong={
            "return asked + weight * (asked - free)": "begins at asked",
            "return (1 + weight) * asked - weight * free": "begins at asked",
            "return weight * (asked - free)": "This is the step alone",
            "return free + weight * asked": "added at full size",
            "return free + weight * asked - free": "Parentheses are missing",
            "return asked + weight * (free - asked)": "changed places",
        },
    ),
}
