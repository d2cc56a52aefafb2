"""A language for experiments: users of an application, what happens to them, and what each of them sees."""

from sessionlab.experiments.notes import Table
from sessionlab.experiments.stage import Experiment, experiment
from sessionlab.experiments.users import Users

__all__ = ["Experiment", "Table", "Users", "experiment"]
