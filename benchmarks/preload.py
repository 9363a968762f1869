"""What the server of fresh processes imports and takes out of the lessons, once (measure.peak)."""

from benchmarks import adapters, language, pictures

language.code()
adapters.code()
pictures.diffusion()
