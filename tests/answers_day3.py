"""Answers to the exercises of Day 3, as students type them."""

from answers_day1 import Answers

# name of the exercise -> its right and wrong answers
ANSWERS: dict[str, Answers] = {
    # ------------------------------------------------------------ 01 hugging_face
    #
    # ------------------------------------------------------------ 02 training_llms
    #
    # ------------------------------------------------------------ 03 full_finetuning
    #
    # ------------------------------------------------------------ 04 transfer_learning
    #
    # ------------------------------------------------------------ 05 parameter_efficient
}
