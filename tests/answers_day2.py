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
}
