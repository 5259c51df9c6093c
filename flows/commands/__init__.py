"""One file a command of `deepvideo`; flows/cli.py lists them. Heavy imports wait until a command is called."""
