"""What holds for the tests and for the notebooks as tests."""

pytest_plugins = ["tiers"]
