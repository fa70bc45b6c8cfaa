"""Families of models, one module each: a family has ``load(bundle, *, device) -> Model``."""
