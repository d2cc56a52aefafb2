"""The graded exercises: what a reader's file must do, judged by running it.

`regions` makes the reader's file from the solution; `exercise` says what an exercise is; ``chXX`` holds the exercises
of a chapter; `attempt` starts the file and visits it; `grading` turns what was seen into a `verdict`; `check` does
all that in a process of its own, which a wrong app cannot leave.
"""
