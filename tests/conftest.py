"""What every test may use."""

# Run pytest within a test: in the package's own tests this is how a check is seen the way a learner sees it.
pytest_plugins = ["pytester"]
