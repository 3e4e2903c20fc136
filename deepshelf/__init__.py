"""The `deepshelf` command. The work is done by the packages service, models_store and training."""
