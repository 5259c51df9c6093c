"""One stage of a round or one idea a file; pure given its inputs, and ignorant of Prefect."""
